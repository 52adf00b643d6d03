/// \file
/// The records that a run trains on, how often each comes, and batches made of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "medseg/pipeline/sample.h"
#include "medseg/training/losses.h"
#include "medseg/training/options.h"
#include "medseg/training/sampler.h"

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
  /// Reads all manifests and renders every dialogue once. `bundle` must outlive it.
  /// \throws DataError "manifest:line: …" on a `[SEG]` count that differs from the masks or, unless they are dropped,
  /// a dialogue of more than max_tokens; DataError on an empty split.
  TrainingSet(const DataOptions& options, const OpenBundle& bundle);

  std::size_t size() const { return items_.size(); }
  const std::vector<std::int64_t>& lengths() const { return lengths_; }
  const std::vector<std::int64_t>& labelled() const { return labelled_; }  ///< tokens of answers
  const std::vector<std::int64_t>& masks() const { return masks_; }  ///< `[SEG]` of all answers
  /// Width and height of some of the pictures, at most `most`, evenly spread, and how many there are.
  std::pair<std::vector<std::pair<int, int>>, std::int64_t> picture_sizes(std::size_t most) const;

  /// Visits of each record per epoch: weight of its source, balance of targets, weight of absent turns.
  const std::vector<double>& visits() const { return visits_; }

  /// One mask of the set: a picture and what a `[SEG]` of it stands for. Each comes once.
  struct MaskPlace {
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
  TrainingBatch load(const std::vector<std::size_t>& indices, FeatureCache& cache) const;
  /// Computes the features that `cache` did not have, for the thread of the training steps: one team of threads computes, and
  /// what it computes depends neither on the cache's limit nor on the number of loader threads.
  void complete(TrainingBatch& batch, FeatureCache& cache) const;

  /// Features of every picture, so that no encoder runs beside the training steps (two OpenMP teams on the same cores
  /// wait for each other far longer than they compute). Pictures beyond the cache's limit come later, as they are drawn;
  /// with a folder those come from it from then on.
  void fill(FeatureCache& cache) const;
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

  void add_source(const DataSource& source);
  /// A record's picture: the file, and which slice of it through which window.
  using Picture = std::pair<std::filesystem::path, std::string>;
  Picture picture_of(std::size_t manifest, const Record& record) const;
  std::map<Picture, const Item*> pictures() const;  ///< one record a picture
  void set_visits();

  DataOptions options_;
  const OpenBundle& bundle_;
  std::vector<std::unique_ptr<Manifest>> manifests_;
  std::vector<Item> items_;
  std::vector<std::int64_t> lengths_, labelled_, masks_;
  std::vector<double> visits_;
  mutable std::map<Picture, std::shared_ptr<const ImageFeatures>>
      placed_;  ///< of load_place, one thread
};

}  // namespace medseg
