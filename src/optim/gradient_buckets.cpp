#include "medseg/optim/gradient_buckets.h"

#include <mutex>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "medseg/base/error.h"

namespace medseg {
namespace {

/// Which passes complete a bucket's gradients.
enum class Phase { kNone, kEarly, kLate };

struct Bucket {
  Phase phase = Phase::kEarly;
  std::vector<std::size_t> members;  ///< parameters
  at::Tensor values;                 ///< [numbers of all members] float32, beside them
  std::vector<at::Tensor> views;     ///< a member's, in its shape
  std::size_t missing = 0;           ///< members without a complete gradient in this step
  std::unique_ptr<Comm::Pending> pending;
};

}  // namespace

struct GradientBuckets::State {
  explicit State(Comm& comm_of_run) : comm(comm_of_run) {}

  void add_bucket(Phase phase, std::vector<std::size_t> members);
  void arm(Phase next_phase);
  void note(std::size_t parameter);
  void send(Bucket& bucket);
  void send_rest(Phase of_phase);
  at::Tensor found() const;

  Comm& comm;
  std::vector<TrainedParameter> parameters;
  std::vector<Bucket> buckets;         ///< in the order in which they go out
  std::vector<std::size_t> bucket_of;  ///< of each parameter
  std::mutex mutex;                    ///< hooks run on autograd's threads
  Phase phase = Phase::kNone;
  std::vector<char> complete;  ///< parameters, in this phase
  std::size_t next = 0;        ///< bucket to go out
  std::int64_t sent_during_backward = 0;
  std::string came_again;  ///< a parameter whose gradient changed after it had gone out
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
  std::int64_t place = 0;
  for (const auto member : members) {
    const auto& tensor = parameters[member].tensor;
    bucket.views.push_back(bucket.values.narrow(0, place, tensor.numel()).view(tensor.sizes()));
    place += tensor.numel();
    bucket_of[member] = buckets.size();
  }
  bucket.members = std::move(members);
  buckets.push_back(std::move(bucket));
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
  const auto place = bucket_of[parameter];
  if (phase == Phase::kNone || buckets[place].phase != phase) return;
  if (place < next) came_again = parameters[parameter].name;
  if (complete[parameter] != 0) return;
  complete[parameter] = 1;
  --buckets[place].missing;
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

// How many ranks have a gradient of each parameter.
at::Tensor GradientBuckets::State::found() const {
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
    std::vector<std::size_t> members;
    std::int64_t bytes = 0, limit = bucket_bytes / 25;
    for (std::size_t i = count; i-- > 0;) {
      const auto& [name, tensor] = state.parameters[i];
      if (comes_late(name) != (phase == Phase::kLate)) continue;
      const auto more = static_cast<std::int64_t>(tensor.nbytes());
      if (!members.empty() && bytes + more > limit) {
        state.add_bucket(phase, std::move(members));
        members.clear();
        bytes = 0;
        limit = bucket_bytes;
      }
      members.push_back(i);
      bytes += more;
    }
    state.add_bucket(phase, std::move(members));
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
  const auto found = state.found();
  const auto counted = state.comm.start_all_reduce(found);
  for (auto& bucket : state.buckets) bucket.pending->wait();
  counted->wait();
  MEDSEG_CHECK(state.came_again.empty(),
               "gradient of " + state.came_again + " changed after it had been sent");
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
