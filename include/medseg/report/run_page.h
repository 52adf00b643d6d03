/// \file
/// A run folder as one HTML file that a browser shows anywhere: SVG curves, images inside, no
/// script, no network.
#pragma once

#include <filesystem>
#include <string>

namespace medseg {

/// Whether `folder` holds a run's metrics.jsonl.
bool is_run_folder(const std::filesystem::path& folder);

/// Curves of metrics.jsonl (losses, rate, gradient norm, seconds a step, scores of each
/// evaluation), the facts of run.json, answers/ and config.json; all but the first may be missing.
/// Whatever stands in a question, a path or a config is shown as text: the page's own policy
/// forbids scripts and requests. An incomplete last line is left out.
/// \throws DataError at the file, or at "metrics.jsonl:LINE", on a folder that is no run, a file
/// that is no JSON, or an image that is no PNG of answers/.
std::string run_page(const std::filesystem::path& folder);

/// The page as run.html in the folder. \throws DataError also if it cannot be written.
void write_run_page(const std::filesystem::path& folder);

}  // namespace medseg
