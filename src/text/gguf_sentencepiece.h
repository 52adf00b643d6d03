/// \file
/// SentencePiece vocabularies of GGUF files (`tokenizer.ggml.model` "llama": Llama 1 and 2, Vicuna,
/// Mistral).
#pragma once

#include "medseg/text/tokenizer.h"
#include "sentencepiece_files.h"

namespace medseg {

/// The files of the tokenizer that was converted: pieces, scores and types become a tokenizer.model
/// again, and what the converter took from added_tokens.json is found by its score of -1000.
/// llama.cpp convert_hf_to_gguf.py, TextModel._create_vocab_sentencepiece.
/// \throws CheckpointError at the key.
SentencePieceFiles sentencepiece_files_of(const GgufVocabulary& vocabulary);

}  // namespace medseg
