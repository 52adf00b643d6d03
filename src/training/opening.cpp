#include "medseg/training/opening.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/comm/share.h"
#include "medseg/dataloader/feature_filling.h"
#include "medseg/models/grounding.h"
#include "medseg/models/llama.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/gpu_plugin.h"
#include "medseg/nn/precision.h"

namespace medseg {

void require_fit(const TrainOptions& options, const Segmenter& model) {
  const auto pool = options.replay.pool;
  if (model.has_grounding() && model.grounding().encoder().grid() % pool != 0) {
    throw ConfigError("train.replay.pool", str_cat(pool, " does not divide the feature grid of ",
                                                   model.grounding().encoder().grid()));
  }
}

OpenBundle open_for_training(const TrainConfig& config, const Comm& comm) {
  const auto device = device_of("train.device", config.train.device, comm.local_rank());
  if (config.train.threads > 0) at::set_num_threads(static_cast<int>(config.train.threads));
  at::manual_seed(static_cast<std::uint64_t>(config.train.seed));
  auto bundle = open_bundle(config.model);
  require_fit(config.train, *bundle.model);
  bundle.model->language().checkpoint_layers(config.train.activation_checkpointing ==
                                             ActivationCheckpointing::kBlocks);
  move_to(*bundle.model, device);
  if (!device.is_cpu()) return bundle;  // there the encoders' plain passes run
  if (bundle.model->has_grounding()) bundle.model->grounding().encoder().prepare_frozen();
  if (bundle.model->has_vision()) bundle.model->vision().prepare_frozen();
  return bundle;
}

FeatureCacheOptions cache_options(const DataOptions& data, at::ScalarType precision,
                                  std::uint64_t keep_free_bytes) {
  FeatureCacheOptions options{
      .precision = precision,
      .limit_bytes = static_cast<std::uint64_t>(data.cache_gb * 1e9),
      .folder = data.cache_dir,
      .keep_free_bytes = std::max<std::uint64_t>(keep_free_bytes, 1'000'000'000)};
  switch (data.cache_dtype) {
    case CacheDtype::kOfPrecision:
      break;
    case CacheDtype::kBf16:
      options.storage = at::kBFloat16;
      break;
    case CacheDtype::kFp16:
      options.storage = at::kHalf;
      break;
    case CacheDtype::kFp32:
      options.storage = at::kFloat;
      break;
  }
  return options;
}

void prepare_comm(Comm& comm, const TrainConfig& config) {
  if (comm.is_alone()) return;
  const auto& train = config.train;
  comm.set_timeout(train.distributed.timeout_s);
  if (device_of("train.device", train.device, comm.local_rank()).is_cuda())
    comm.use_on_device(open_gpu().plugin->make_nccl);
  if (train.accumulation < comm.size()) {
    throw ConfigError(
        "train.accumulation",
        str_cat(train.accumulation, " micro-batches a step for ", comm.size(),
                " processes; a smaller train.batch_size with more accumulation is the "
                "same step"));
  }
  if (train.accumulation % comm.size() != 0) {
    log_warning(str_cat("train.accumulation: ", train.accumulation,
                        " micro-batches do not divide evenly among ", comm.size(),
                        " processes: some will wait"));
  }
}

void require_projector(const std::vector<TrainedParameter>& trained) {
  const bool trains = std::any_of(trained.begin(), trained.end(), [](const auto& parameter) {
    return parameter.name.starts_with("model.mm_projector.");
  });
  if (trains) return;
  throw ConfigError("train.standardise_vision",
                    "the projector does not train; add \"mm_projector\" to train.trainable");
}

void standardise_vision(OpenBundle& bundle, TrainingSet& data, FeatureCache& features, Comm& comm,
                        bool resumed) {
  const auto& fresh = bundle.options.initialised;
  const bool trained = std::none_of(fresh.begin(), fresh.end(), [](const std::string& name) {
    return name.find("mm_projector") != std::string::npos;
  });
  const auto [mean, deviation] = vision_statistics(data, features);
  comm.broadcast(mean, 0);
  comm.broadcast(deviation, 0);
  bundle.model->standardise_vision(mean, deviation, trained && !resumed);
}

Sampler own_sampler(const TrainingSet& data, const TrainOptions& options, const Comm& comm,
                    std::uint64_t drawn) {
  auto sampling = sampler_options(data.records, data.visits, options.batch_size,
                                  static_cast<std::uint64_t>(options.seed));
  if (!comm.is_alone()) {
    const auto samples = [&](std::int64_t micro_batches) {
      return static_cast<std::uint64_t>(micro_batches * options.batch_size);
    };
    const auto share = share_of(options.accumulation, comm);
    sampling.period = samples(options.accumulation);
    sampling.first = samples(share.first);
    sampling.end = samples(share.end);
  }
  Sampler sampler(std::move(sampling));
  sampler.seek(drawn);
  return sampler;
}

}  // namespace medseg
