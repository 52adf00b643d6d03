/// \file
/// The records that a run trains on, how often each comes, and batches made of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "medseg/bundle/open_bundle.h"
#include "medseg/comm/comm.h"
#include "medseg/dataloader/options.h"
#include "medseg/dataloader/quarantine.h"
#include "medseg/dataloader/sampler.h"
#include "medseg/pipeline/mask_truth.h"
#include "medseg/pipeline/sample.h"

namespace medseg {

/// A micro-batch, ready for the model.
struct TrainingBatch {
  std::vector<std::string> ids;  ///< of its records, for messages
  DialogueBatch dialogues;
  at::Tensor
      image_embeddings;  ///< [B, C, h, w], one a dialogue; undefined in a language-only model
  std::vector<MaskTruth> truths;  ///< one a dialogue
  std::int64_t tokens = 0;        ///< image tokens included, padding not
  std::int64_t masks = 0;
  std::vector<std::string> targets;  ///< label of each mask, dialogue by dialogue
  /// Drawn for this batch and replaced: for Quarantine::add, which ends the run if they are more than it may leave out (the
  /// batch is empty then).
  std::vector<BadSample> bad;

  /// Of a batch whose features are not all known yet (TrainingSet::complete): its samples and their pictures.
  std::vector<Sample> samples;
  std::vector<Image> pictures;
};

/// Samples side by side, with the truths that the masks' losses need. `tokens` is left at 0.
TrainingBatch make_training_batch(const std::vector<Sample>& samples, const Segmenter& model);

/// In page-locked memory where the batch goes to a GPU, which then copies it while it computes; as it is for the CPU.
TrainingBatch pinned_for(at::Device device, TrainingBatch batch);
/// All tensors on `device`; from page-locked memory without waiting for the copy.
TrainingBatch moved_to(at::Device device, TrainingBatch batch);

class TrainingSet {
 public:
  /// Reads all manifests and renders every dialogue once. `bundle` must outlive it; `seed` chooses what replaces bad records.
  /// \throws DataError "manifest:line: …" on a line that is no record, a `[SEG]` count that differs from the masks (both are
  /// left out under data.on_bad_sample "quarantine") or, unless they are dropped, a dialogue of more than max_tokens;
  /// DataError on an empty split.
  TrainingSet(const DataOptions& options, const OpenBundle& bundle, std::uint64_t seed = 0);

  /// A manifest, read as those of this set are: under "quarantine" without the lines that are no records, which bad() lists.
  Manifest read_manifest(const std::string& path);

  std::size_t size() const { return items_.size(); }
  const std::vector<std::int64_t>& lengths() const { return lengths_; }
  const std::vector<std::int64_t>& labelled() const { return labelled_; }  ///< tokens of answers
  const std::vector<std::int64_t>& masks() const { return masks_; }  ///< `[SEG]` of all answers
  /// Width and height of some of the pictures, at most `most`, evenly spread, and how many there are.
  std::pair<std::vector<std::pair<int, int>>, std::int64_t> picture_sizes(std::size_t most) const;

  /// Visits of each record per epoch: weight of its source, balance of targets, weight of absent turns. Where sources have
  /// epochs of their own (data.mixing), the last two, within the source.
  const std::vector<double>& visits() const { return visits_; }
  /// Of each record in data.train.
  const std::vector<std::size_t>& sources() const { return sources_; }
  /// Of the draws, by source, in sum 1; empty where all sources are one ("concatenate").
  std::vector<double> shares() const;
  const DataOptions& options() const { return options_; }
  const Record& record(std::size_t index) const { return *items_[index].record; }

  /// One mask of the set: a picture and what a `[SEG]` of it stands for. Each comes once.
  struct MaskPlace {
    std::size_t index = 0;  ///< of its record in the set
    std::size_t manifest = 0;
    const Record* record = nullptr;
    std::vector<std::string> ids;  ///< of the mask, or of the masks whose union it is
    std::string target;
  };
  std::vector<MaskPlace> mask_places() const;
  struct PlacedMask {
    std::shared_ptr<const ImageFeatures> features;
  };
  /// Features of the picture; `truth` [1, H, W] uint8 is read when it is undefined.
  PlacedMask load_place(const MaskPlace& place, FeatureCache& cache, at::Tensor& truth) const;

  /// Safe to call from several threads if `cache` is. Runs no encoder: complete() comes after it.
  /// Where bad records are quarantined, each is replaced by a record of its source, chosen by (seed, record, visit): the same
  /// one whatever else was loaded, before or beside it. \throws DataError if no record of the source can be read.
  TrainingBatch load(const std::vector<Draw>& draws, FeatureCache& cache) const;
  /// Computes the features that `cache` did not have, for the thread of the training steps: one team of threads computes, and
  /// what it computes depends neither on the cache's limit nor on the number of loader threads.
  void complete(TrainingBatch& batch, FeatureCache& cache) const;

  /// Records found bad so far: while the manifests were read, by fill(), load() and fault_of(). Safe at any time, but what
  /// loader threads have found depends on how far ahead they are.
  std::vector<BadSample> bad() const;
  /// From now on these are bad, whatever their files hold.
  void know_bad(const std::vector<BadSample>& samples);
  /// Why the place's record cannot be read as a whole; never anything where bad records stop the run. For one thread.
  std::optional<BadSample> fault_of(const MaskPlace& place) const;

  /// Features of every picture, so that no encoder runs beside the training steps (two OpenMP teams on the same cores
  /// wait for each other far longer than they compute). Pictures beyond the cache's limit come later, as they are drawn;
  /// with a folder those come from it from then on. Nothing where every visit is augmented.
  /// On several ranks each computes its share and reads the others' where the cache has a folder; without one each computes all.
  void fill(FeatureCache& cache, Comm* comm = nullptr) const;
  /// Mean and deviation of each channel of the tower's features over all pictures, [Dv] float32 each.
  std::pair<at::Tensor, at::Tensor> vision_statistics(FeatureCache& cache) const;

  /// "1273 records, 23 targets, 1.4 visits an epoch each …" and, per target, records and visits: for the log.
  std::vector<std::string> coverage() const;
  /// (path, sha256) of every manifest read.
  std::vector<std::pair<std::string, std::string>> manifest_hashes() const;

 private:
  struct Item {
    std::size_t manifest = 0;
    const Record* record = nullptr;
    double weight = 1.0;
    std::vector<std::string>
        targets;  ///< distinct; "(absent)" where a turn asks for what is not there
  };

  void add_source(std::size_t index);
  std::size_t open_manifest(const std::string& path);
  /// What the record's dialogue takes. \throws DataError without a place.
  struct DialogueSize {
    std::int64_t tokens = 0, labelled = 0, masks = 0;
  };
  DialogueSize check_dialogue(const Record& record) const;
  /// A record's picture: the file, and which slice of it through which window.
  using Picture = std::pair<std::filesystem::path, std::string>;
  Picture picture_place(std::size_t manifest, const Record& record) const;
  std::map<Picture, std::size_t> pictures() const;  ///< one record a picture
  /// The record's picture; none where it is bad and quarantined.
  std::optional<Image> picture_of(std::size_t index) const;
  void set_visits();
  void set_visits_of(const std::vector<std::size_t>& indices);
  bool concatenates() const { return options_.mixing == "concatenate"; }
  bool quarantines() const { return options_.on_bad_sample == "quarantine"; }
  Sample load_record(const Draw& draw, FeatureCache& cache, Image& picture) const;
  std::optional<Sample> load_good(Draw& draw, FeatureCache& cache, Image& picture,
                                  std::vector<BadSample>& bad) const;
  std::optional<BadSample> known_bad(std::size_t index) const;
  BadSample note_bad(std::size_t index, const std::string& what) const;

  DataOptions options_;
  const OpenBundle& bundle_;
  std::vector<std::unique_ptr<Manifest>> manifests_;
  std::uint64_t seed_;
  std::vector<BadSample> left_out_;  ///< while manifests were read
  std::vector<Item> items_;
  std::vector<std::int64_t> lengths_, labelled_, masks_;
  std::vector<double> visits_;
  std::vector<std::size_t> sources_;
  mutable std::map<Picture, std::shared_ptr<const ImageFeatures>>
      placed_;                              ///< of load_place, one thread
  mutable std::set<std::size_t> readable_;  ///< of fault_of, one thread
  mutable std::mutex bad_mutex_;
  mutable std::map<std::size_t, BadSample> bad_;
  mutable std::set<Picture> bad_pictures_;
};

}  // namespace medseg
