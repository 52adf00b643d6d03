#include "medseg/generation/generate.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/models/grounding.h"
#include "medseg/models/llama.h"
#include "medseg/nn/autocast.h"
#include "medseg/pipeline/preprocess.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

using Ids = std::vector<std::int64_t>;

// All states of a sequence of ids in one pass, without a cache: [T, D].
at::Tensor states_of(const OpenBundle& bundle, const ImageFeatures& features, const Ids& ids) {
  const at::NoGradGuard no_grad;
  const auto spliced =
      bundle.model->splice({{ids}, {}, {}, features.vision.to(at::kFloat).unsqueeze(0)});
  return bundle.model->language().forward(spliced.embeddings)[0];
}

class Generate : public testing::Test {
 protected:
  Generate() { encode(); }
  void encode() {
    features_ = std::make_shared<const ImageFeatures>(
        encode_image(tiny_picture(32, 24), *bundle_.model, bundle_.options, at::kFloat));
  }

  Ids prompt(const std::vector<Turn>& turns) const {
    return render(turns, *bundle_.tokenizer, bundle_.conversation(), /*open_prompt=*/true).ids;
  }
  Answer first_answer() const { return Dialogue(bundle_, features_, options_).ask(kQuestion); }

  // Row i: the state that chose the i-th id of the answer.
  at::Tensor choosing_states(const std::vector<Turn>& turns, const Ids& answer) const {
    Ids all = prompt(turns);
    all.insert(all.end(), answer.begin(), answer.end() - 1);
    const auto states = states_of(bundle_, *features_, all);
    return states.slice(0, states.size(0) - static_cast<std::int64_t>(answer.size()));
  }
  Ids greedy(const at::Tensor& states) const {
    const auto best = bundle_.model->language().logits(states).argmax(1);
    return {best.data_ptr<std::int64_t>(), best.data_ptr<std::int64_t>() + best.size(0)};
  }

  // Makes the model answer with a [SEG] at `step` of what it would have said.
  void make_it_draw(std::size_t step) {
    const auto states = choosing_states({first_turn()}, first_answer().ids);
    const auto others = states.mean(0);
    prefer(bundle_, seg(), states[static_cast<std::int64_t>(step)] - others);
  }
  std::int64_t seg() const { return bundle_.options.special_tokens.at("[SEG]"); }
  static Turn first_turn() { return {std::string("<image>\n") + kQuestion, ""}; }

  static constexpr const char* kQuestion = "What protects the brain?";
  OpenBundle bundle_ = tiny_bundle();
  GenerationOptions options_{.max_new_tokens = 10, .max_seg = 16};
  std::shared_ptr<const ImageFeatures> features_;
};

TEST_F(Generate, WithTheCacheEqualsRecomputingEveryStep) {
  const Answer answer = first_answer();
  ASSERT_GE(answer.ids.size(), 2U);
  EXPECT_EQ(answer.ids, greedy(choosing_states({first_turn()}, answer.ids)));
}

TEST_F(Generate, TheSecondTurnEqualsRenderingTheWholeDialogue) {
  Dialogue dialogue(bundle_, features_, options_);
  const Answer first = dialogue.ask(kQuestion);
  const Answer second = dialogue.ask("And what is below it?");
  const Answer third = dialogue.ask("Why?");
  Turn one = first_turn();
  one.answer = first.text;
  EXPECT_EQ(second.ids, greedy(choosing_states({one, {"And what is below it?", ""}}, second.ids)));
  const Turn two{"And what is below it?", second.text};
  EXPECT_EQ(third.ids, greedy(choosing_states({one, two, {"Why?", ""}}, third.ids)));
}

TEST_F(Generate, TheStateThatPredictedSegPromptsItsMask) {
  make_it_draw(3);
  const Answer answer = first_answer();
  ASSERT_FALSE(answer.masks.empty());
  EXPECT_EQ(answer.masks.size(),
            static_cast<std::size_t>(std::count(answer.ids.begin(), answer.ids.end(), seg())));
  const auto states = choosing_states({first_turn()}, answer.ids);
  std::size_t k = 0;
  for (std::size_t i = 0; i < answer.ids.size(); ++i) {
    if (answer.ids[i] != seg()) continue;
    const at::NoGradGuard no_grad;
    const auto state = states[static_cast<std::int64_t>(i)].unsqueeze(0);
    const auto prompt = bundle_.model->prompts(state);
    const auto output =
        bundle_.model->grounding().decode(features_->grounding.unsqueeze(0), prompt);
    const auto logits = upscale_masks(output.mask_logits, features_->frame)[0];
    EXPECT_TRUE(at::allclose(answer.masks[k].logits, logits, 1e-3, 1e-4)) << "mask " << k;
    EXPECT_EQ(answer.masks[k].mask, mask_from_logits(answer.masks[k].logits));
    EXPECT_NEAR(answer.masks[k].seg_probability,
                bundle_.model->language().logits(state).softmax(1)[0][seg()].item<double>(), 1e-4);
    EXPECT_NEAR(answer.masks[k].predicted_iou, output.predicted_iou[0][0].item<double>(), 1e-4);
    ++k;
  }
  EXPECT_EQ(answer.masks[0].mask.width, 32);
  EXPECT_EQ(answer.masks[0].mask.height, 24);
}

TEST_F(Generate, NeverMoreThanMaxSegMasks) {
  at::manual_seed(1);
  make_it_draw(1);
  prefer(bundle_, seg(), choosing_states({first_turn()}, first_answer().ids).mean(0));
  prefer(bundle_, seg(), choosing_states({first_turn()}, first_answer().ids).mean(0));
  ASSERT_GT(first_answer().masks.size(), 2U);
  options_.max_seg = 2;
  const Answer answer = first_answer();
  EXPECT_EQ(answer.masks.size(), 2U);
  EXPECT_EQ(std::count(answer.ids.begin(), answer.ids.end(), seg()), 2);
}

TEST_F(Generate, EndsAtTheEndTokenOrAtTheLength) {
  const Answer cut = first_answer();
  EXPECT_EQ(cut.finish, Finish::kLength);
  EXPECT_EQ(cut.ids.size(), 10U);
  const auto states = choosing_states({first_turn()}, cut.ids);
  const auto end = *bundle_.tokenizer->id_of("<|im_end|>");
  prefer(bundle_, end, states[2]);
  const Answer ended = first_answer();
  EXPECT_EQ(ended.finish, Finish::kEos);
  EXPECT_EQ(ended.ids.back(), end);
  EXPECT_THAT(ended.text, testing::Not(testing::HasSubstr("<|im_end|>")));
}

TEST_F(Generate, StreamsWhatItReturns) {
  std::string streamed;
  Dialogue dialogue(bundle_, features_, options_);
  const Answer answer = dialogue.ask(kQuestion, [&](const std::string& text) { streamed += text; });
  EXPECT_THAT(streamed, testing::HasSubstr(answer.text));
}

TEST_F(Generate, APictureInALaterTurnIsRefused) {
  Dialogue dialogue(bundle_, features_, options_);
  dialogue.ask(kQuestion);
  EXPECT_THROW(dialogue.ask("<image>\nAnd this?"), DataError);
  EXPECT_NO_THROW(dialogue.ask("And this?")) << "the dialogue goes on";
}

TEST_F(Generate, ADialogueWithoutRoomForAnAnswerIsRefused) {
  Dialogue dialogue(bundle_, features_, options_);
  EXPECT_THROW(dialogue.ask(std::string(2000, 'x')), DataError);
}

TEST_F(Generate, ABundleInBf16AnswersAsTheSameValuesInFp32) {
  make_it_draw(2);
  cast_parameters(bundle_.model->language(), at::kBFloat16, is_frozen_matrix);
  prepare_for_inference(bundle_, at::kFloat);
  EXPECT_EQ(bundle_.model->language().embed_tokens.scalar_type(), at::kFloat);
  const Answer answer = first_answer();
  EXPECT_FALSE(answer.masks.empty());
  EXPECT_EQ(answer.ids, greedy(choosing_states({first_turn()}, answer.ids)));

  cast_parameters(bundle_.model->language(), at::kBFloat16, is_frozen_matrix);
  prepare_for_inference(bundle_, at::kBFloat16);
  const AutocastScope autocast(at::kCPU, at::kBFloat16);
  EXPECT_FALSE(first_answer().masks.empty());
}

TEST_F(Generate, PreparedForInferenceSaysTheSame) {
  const AutocastScope autocast(at::kCPU, at::kBFloat16);
  const Answer before = first_answer();
  prepare_for_inference(bundle_, at::kBFloat16);
  EXPECT_EQ(first_answer().ids, before.ids);
}

// What a user sees of an answer must be the same bits, whoever is answered beside it.
void expect_same(const Answer& a, const Answer& b) {
  EXPECT_EQ(a.ids, b.ids);
  ASSERT_EQ(a.masks.size(), b.masks.size());
  for (std::size_t k = 0; k < a.masks.size(); ++k) {
    EXPECT_TRUE(at::equal(a.masks[k].logits, b.masks[k].logits)) << "mask " << k;
    EXPECT_EQ(a.masks[k].seg_probability, b.masks[k].seg_probability);
    EXPECT_EQ(a.masks[k].predicted_iou, b.masks[k].predicted_iou);
  }
}

TEST_F(Generate, SideBySideEveryDialogueHasTheBitsThatItHasAlone) {
  make_it_draw(2);
  const std::vector<std::string> questions = {kQuestion, "Where?", "Is it broken, and where?"};
  for (const auto precision : {at::kFloat, at::kBFloat16}) {
    const AutocastScope autocast(at::kCPU, precision);
    std::vector<Answer> alone;
    std::vector<std::unique_ptr<Dialogue>> dialogues;
    std::size_t masks = 0;
    for (const auto& question : questions) {
      Dialogue one(bundle_, features_, options_);
      alone.push_back(one.ask(question));
      alone.push_back(one.ask("And below?"));
      masks += alone[alone.size() - 2].masks.size();
      dialogues.push_back(std::make_unique<Dialogue>(bundle_, features_, options_));
    }
    EXPECT_GT(masks, 0U);
    for (const std::size_t turn : {0, 1}) {
      std::vector<Dialogue*> answering;
      for (std::size_t i = 0; i < questions.size(); ++i) {
        dialogues[i]->begin(turn == 0 ? questions[i] : "And below?");
        if (dialogues[i]->is_answering()) answering.push_back(dialogues[i].get());
      }
      while (!answering.empty()) {
        Dialogue::advance(answering);
        std::erase_if(answering, [](const Dialogue* one) { return !one->is_answering(); });
      }
      for (std::size_t i = 0; i < questions.size(); ++i)
        expect_same(dialogues[i]->end(), alone[2 * i + turn]);
    }
  }
}

TEST_F(Generate, AMaskBelowTheThresholdStaysEmpty) {
  make_it_draw(2);
  const Answer all = first_answer();
  ASSERT_FALSE(all.masks.empty());
  options_.mask_threshold = std::nextafter(all.masks[0].score(), 2.0);
  const Answer fewer = first_answer();
  ASSERT_EQ(fewer.masks.size(), all.masks.size()) << "the words stay";
  EXPECT_TRUE(fewer.masks[0].below_threshold);
  EXPECT_EQ(fewer.masks[0].mask.area(), 0);
  options_.mask_threshold = all.masks[0].score();
  EXPECT_EQ(first_answer().masks[0].mask, all.masks[0].mask);
}

TEST_F(Generate, LaterTurnsSeeAReplacedAnswer) {
  Dialogue dialogue(bundle_, features_, options_);
  dialogue.ask(kQuestion);
  dialogue.replace_last_answer("The skull does.");
  const Answer second = dialogue.ask("Why?");
  Turn one = first_turn();
  one.answer = "The skull does.";
  EXPECT_EQ(second.ids, greedy(choosing_states({one, {"Why?", ""}}, second.ids)));
}

}  // namespace
}  // namespace medseg
