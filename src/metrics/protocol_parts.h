/// \file
/// What several protocols are made of, and the protocols' functions.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "medseg/metrics/assignment.h"
#include "medseg/metrics/protocols.h"

namespace medseg {

inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// NaN of none.
double mean_of(const std::vector<double>& values);
/// The share, NaN of nothing.
double share_of(std::int64_t part, std::int64_t whole);

double plain_iou(const OverlapCounts& counts);   ///< I/U; NaN where U = 0
double plain_dice(const OverlapCounts& counts);  ///< 2I/(P+G); NaN where both are empty

/// The union of masks; empty of none.
PackedMask union_of(const std::vector<PackedMask>& masks, const GridSize& size);

/// The union of an absent turn's masks against an empty reference.
std::vector<OverlapCounts> absent_counts(const Replay& replay);

/// `iou` (I/U, `empty` where U = 0) of each predicted mask with each reference.
Matrix iou_matrix(const std::vector<PackedMask>& rows, const std::vector<PackedMask>& columns,
                  double empty);

/// The items of each group, by the name that `name` gives an item.
using ItemGroups = std::map<std::string, std::vector<std::size_t>>;
ItemGroups items_by(const Replay& replay,
                    const std::function<std::string(const ReplayItem&)>& name);

/// Fills by_target and by_modality (and by_phrasing, where `phrasing`) from the items' indices.
using GroupMetrics = std::function<Metrics(const std::vector<std::size_t>&)>;
void add_groups(const Replay& replay, const GroupMetrics& metrics, ProtocolResult& result,
                bool phrasing = false);

void score_lisa(const Replay& replay, ProtocolResult& result);
void score_glamm(const Replay& replay, ProtocolResult& result);
void score_glamm_gcg(const Replay& replay, ProtocolResult& result);
void score_pixellm(const Replay& replay, ProtocolResult& result);
void score_sa2va(const Replay& replay, ProtocolResult& result);
void score_unibiomed(const Replay& replay, ProtocolResult& result);
void score_medplib(const Replay& replay, ProtocolResult& result);
void score_biomedparse(const Replay& replay, ProtocolResult& result);
void score_nnunet(const Replay& replay, ProtocolResult& result);
void score_monai(const Replay& replay, ProtocolResult& result);
void score_medsam2(const Replay& replay, ProtocolResult& result);
void score_strict(const Replay& replay, ProtocolResult& result);

}  // namespace medseg
