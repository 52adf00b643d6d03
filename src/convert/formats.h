/// \file
/// The table of formats: one row and one file each.
#pragma once

#include <functional>
#include <vector>

#include "exporter.h"
#include "medseg/convert/draft.h"

namespace medseg {

/// What a source consists of decides which options apply to it.
enum class SourceKind {
  kMasks,      ///< structures without questions
  kVolumes,    ///< the same, as slices of volumes (or pictures)
  kDialogues,  ///< with questions of its own
};

struct Format {
  const char* name;
  const char* what;
  const char* layout;   ///< what SRC holds
  const char* licence;  ///< "" where the source alone knows
  SourceKind kind;
  std::function<void(Reading&)> read;
  std::function<void(Exporter&)> write;  ///< empty: only in
};

const std::vector<Format>& formats();

/// \throws ConfigError with the nearest name.
const Format& format_named(const std::string& name);

// One a file.
void read_pairs(Reading& reading);
void read_named_set(Reading& reading);  ///< the sets of named_sets.cpp, by options().format
void read_nnunet(Reading& reading);
void read_decathlon(Reading& reading);
void read_coco(Reading& reading);
void read_labelme(Reading& reading);
void read_reasonseg(Reading& reading);
void read_refcoco(Reading& reading);
void read_grandf(Reading& reading);
void read_llava(Reading& reading);
void read_biomedparse(Reading& reading);
void read_sa_med2d(Reading& reading);
void read_medplib(Reading& reading);
void read_muse(Reading& reading);
void read_medisee(Reading& reading);
void read_sa2va(Reading& reading);
void read_mr_medseg(Reading& reading);

void write_pairs(Exporter& exporter);
void write_nnunet(Exporter& exporter);
void write_coco(Exporter& exporter);
void write_labelme(Exporter& exporter);
void write_grandf(Exporter& exporter);
void write_llava(Exporter& exporter);
void write_biomedparse(Exporter& exporter);
void write_sa_med2d(Exporter& exporter);
void write_medplib(Exporter& exporter);
void write_medisee(Exporter& exporter);
void write_mr_medseg(Exporter& exporter);

}  // namespace medseg
