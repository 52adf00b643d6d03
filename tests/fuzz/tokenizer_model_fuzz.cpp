// SentencePiece's tokenizer.model, and a sentence through what opens.
#include "input_folder.h"
#include "medseg/base/error.h"
#include "medseg/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const medseg::InputFolder folder;
  try {
    const auto tokenizer = medseg::load_tokenizer(folder.write("tokenizer.model", data, size));
    tokenizer->decode(tokenizer->encode("The <p> skull </p> [SEG]\u00e9 12\n"));
  } catch (const medseg::CheckpointError&) {
  }
  return 0;
}
