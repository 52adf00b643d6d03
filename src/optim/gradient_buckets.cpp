#include "medseg/optim/gradient_buckets.h"

#include <mutex>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "medseg/base/error.h"

namespace medseg {
namespace {

/// The backward pass that completes a bucket's gradients; kNone between the passes.
enum class Phase { kNone, kEarly, kLate };

struct Bucket {
  Phase phase = Phase::kEarly;
  std::vector<std::size_t> members;  ///< indices of parameters
  at::Tensor values;                 ///< float32, the gradients of all members one after another
  std::vector<at::Tensor> views;     ///< of `values`, in the shape of each member
  std::size_t missing = 0;           ///< members whose gradient is not complete in this step
  std::unique_ptr<Comm::Pending> pending;
};

}  // namespace

struct GradientBuckets::State {
  explicit State(Comm& comm_of_run) : comm(comm_of_run) {}

  void fill_buckets(Phase of_phase, std::int64_t bucket_bytes,
                    const std::function<bool(const std::string&)>& belongs);
  void add_bucket(Phase of_phase, std::vector<std::size_t> members);
  /// Gradients of this phase are noted from now on.
  void arm(Phase next_phase);
  /// The gradient of this parameter is complete.
  void note(std::size_t parameter);
  void send(Bucket& bucket);
  void send_rest(Phase of_phase);
  at::Tensor has_gradient() const;

  Comm& comm;
  std::vector<TrainedParameter> parameters;
  std::vector<Bucket> buckets;         ///< in the order in which they are sent
  std::vector<std::size_t> bucket_of;  ///< of each parameter
  std::mutex mutex;                    ///< hooks run on autograd's threads
  Phase phase = Phase::kNone;
  std::vector<char> complete;  ///< of each parameter, in this phase
  std::size_t next = 0;        ///< the bucket to be sent next
  std::int64_t sent_during_backward = 0;
  std::string changed_late;  ///< a parameter whose gradient changed after it had been sent
};

namespace {

class Hook : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit Hook(std::function<void()> note) : note_(std::move(note)) {}
  void operator()(const torch::autograd::Variable&) override { note_(); }

 private:
  std::function<void()> note_;
};

}  // namespace

void GradientBuckets::State::add_bucket(Phase of_phase, std::vector<std::size_t> members) {
  if (members.empty()) return;
  Bucket bucket;
  bucket.phase = of_phase;
  std::int64_t count = 0;
  for (const auto member : members) count += parameters[member].tensor.numel();
  const auto where = parameters[members.front()].tensor.device();
  bucket.values = at::zeros({count}, at::TensorOptions(at::kFloat).device(where));
  std::int64_t offset = 0;
  for (const auto member : members) {
    const auto& tensor = parameters[member].tensor;
    bucket.views.push_back(bucket.values.narrow(0, offset, tensor.numel()).view(tensor.sizes()));
    offset += tensor.numel();
    bucket_of[member] = buckets.size();
  }
  bucket.members = std::move(members);
  buckets.push_back(std::move(bucket));
}

// Takes the parameters that belong to the phase, last ones first.
void GradientBuckets::State::fill_buckets(Phase of_phase, std::int64_t bucket_bytes,
                                          const std::function<bool(const std::string&)>& belongs) {
  std::vector<std::size_t> members;
  std::int64_t bytes = 0, limit = bucket_bytes / 25;
  for (std::size_t i = parameters.size(); i-- > 0;) {
    const auto& [name, tensor] = parameters[i];
    if (!belongs(name)) continue;
    const auto more = static_cast<std::int64_t>(tensor.nbytes());
    if (!members.empty() && bytes + more > limit) {
      add_bucket(of_phase, std::move(members));
      members.clear();
      bytes = 0;
      limit = bucket_bytes;
    }
    members.push_back(i);
    bytes += more;
  }
  add_bucket(of_phase, std::move(members));
}

void GradientBuckets::State::arm(Phase next_phase) {
  const std::lock_guard lock(mutex);
  phase = next_phase;
  for (auto& bucket : buckets) {
    if (bucket.phase == phase) bucket.missing = bucket.members.size();
  }
}

void GradientBuckets::State::note(std::size_t parameter) {
  const std::lock_guard lock(mutex);
  const auto bucket = bucket_of[parameter];
  if (phase == Phase::kNone || buckets[bucket].phase != phase) return;
  if (bucket < next) changed_late = parameters[parameter].name;
  if (complete[parameter] != 0) return;
  complete[parameter] = 1;
  --buckets[bucket].missing;
  while (next < buckets.size() && buckets[next].phase == phase && buckets[next].missing == 0) {
    send(buckets[next++]);
    ++sent_during_backward;
  }
}

void GradientBuckets::State::send(Bucket& bucket) {
  const at::NoGradGuard no_grad;
  for (std::size_t k = 0; k < bucket.members.size(); ++k) {
    const auto& gradient = parameters[bucket.members[k]].tensor.grad();
    if (gradient.defined()) {
      bucket.views[k].copy_(gradient);
    } else {
      bucket.views[k].zero_();
    }
  }
  bucket.pending = comm.start_all_reduce(bucket.values);
}

void GradientBuckets::State::send_rest(Phase of_phase) {
  const std::lock_guard lock(mutex);
  while (next < buckets.size() && buckets[next].phase == of_phase) send(buckets[next++]);
  phase = Phase::kNone;
}

// 1 for each parameter that has a gradient on this rank; summed, the number of ranks that have one.
at::Tensor GradientBuckets::State::has_gradient() const {
  auto found = at::zeros({static_cast<std::int64_t>(parameters.size())}, at::kInt);
  auto* counts = found.data_ptr<int>();
  for (std::size_t i = 0; i < parameters.size(); ++i)
    counts[i] = parameters[i].tensor.grad().defined() ? 1 : 0;
  return found;
}

GradientBuckets::GradientBuckets(Comm& comm, std::vector<TrainedParameter> parameters,
                                 const std::function<bool(const std::string&)>& comes_late,
                                 std::int64_t bucket_bytes)
    : state_(std::make_shared<State>(comm)) {
  if (comm.is_alone()) return;
  auto& state = *state_;
  state.parameters = std::move(parameters);
  const auto count = state.parameters.size();
  state.bucket_of.resize(count);
  state.complete.assign(count, 0);
  for (const auto phase : {Phase::kEarly, Phase::kLate}) {
    state.fill_buckets(phase, bucket_bytes, [&](const std::string& name) {
      return comes_late(name) == (phase == Phase::kLate);
    });
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::weak_ptr<State> weak = state_;  // the model may outlive this object
    torch::autograd::impl::set_post_acc_grad_hooks(state.parameters[i].tensor,
                                                   std::make_unique<Hook>([weak, i] {
                                                     if (const auto strong = weak.lock())
                                                       strong->note(i);
                                                   }));
  }
}

GradientBuckets::~GradientBuckets() {
  for (const auto& parameter : state_->parameters)
    torch::autograd::impl::set_post_acc_grad_hooks(parameter.tensor, nullptr);
}

void GradientBuckets::begin() {
  if (state_->comm.is_alone()) return;
  state_->next = 0;
  state_->complete.assign(state_->parameters.size(), 0);
  state_->arm(Phase::kEarly);
}

void GradientBuckets::finish_early() {
  if (state_->comm.is_alone()) return;
  state_->send_rest(Phase::kEarly);
  state_->arm(Phase::kLate);
}

void GradientBuckets::finish() {
  if (state_->comm.is_alone()) return;
  auto& state = *state_;
  state.send_rest(Phase::kEarly);
  state.send_rest(Phase::kLate);
  const auto found = state.has_gradient();
  const auto counted = state.comm.start_all_reduce(found);
  for (auto& bucket : state.buckets) bucket.pending->wait();
  counted->wait();
  MEDSEG_CHECK(state.changed_late.empty(),
               "gradient of " + state.changed_late + " changed after it had been sent");
  const auto* counts = found.data_ptr<int>();
  for (auto& bucket : state.buckets) {
    bucket.pending.reset();
    for (std::size_t k = 0; k < bucket.members.size(); ++k) {
      auto& gradient = state.parameters[bucket.members[k]].tensor.mutable_grad();
      if (counts[bucket.members[k]] > 0) {
        gradient = bucket.views[k];
      } else {
        gradient.reset();
      }
    }
  }
}

std::size_t GradientBuckets::bucket_count() const { return state_->buckets.size(); }

std::int64_t GradientBuckets::sent_during_backward() const { return state_->sent_during_backward; }

}  // namespace medseg
