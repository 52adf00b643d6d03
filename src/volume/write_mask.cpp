// NRRD (http://teem.sourceforge.net/nrrd/format.html) and MetaImage; NIfTI is nifti_write.cpp.
#include "medseg/volume/write_mask.h"

#include <charconv>
#include <cmath>

#include "gzip.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "nifti_write.h"

namespace medseg {
namespace {

/// As few digits as give the same number back; never -0.
std::string number(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value == 0 ? 0.0 : value).ptr};
}

/// Column `axis` of the affine in LPS, the frame of both formats; axis 3 is the origin.
std::array<double, 3> lps(const Volume& volume, std::size_t axis) {
  return {-volume.affine[0][axis], -volume.affine[1][axis], volume.affine[2][axis]};
}

std::string vector_text(const std::array<double, 3>& v) {
  return "(" + number(v[0]) + "," + number(v[1]) + "," + number(v[2]) + ")";
}

std::string voxel_bytes(const VoxelMask& mask) { return {mask.voxels.begin(), mask.voxels.end()}; }

std::string nrrd(const VoxelMask& mask, const Volume& stored) {
  std::string header = "NRRD0004\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\n";
  header += str_cat("sizes: ", mask.size[0], " ", mask.size[1], " ", mask.size[2], "\n");
  header += "space directions: " + vector_text(lps(stored, 0)) + " " + vector_text(lps(stored, 1)) +
            " " + vector_text(lps(stored, 2)) + "\n";
  header += "kinds: domain domain domain\nencoding: gzip\n";
  header += "space origin: " + vector_text(lps(stored, 3)) + "\n\n";
  return header + gzip(voxel_bytes(mask), PackedForm::kGzip);
}

std::string metaimage(const VoxelMask& mask, const Volume& stored) {
  const auto spacing = stored.spacing_mm();
  std::string matrix, spaces, origin;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto column = lps(stored, axis);
    for (const double along : column)
      matrix += (matrix.empty() ? "" : " ") + number(along / spacing[axis]);
    spaces += (axis == 0 ? "" : " ") + number(spacing[axis]);
    origin += (axis == 0 ? "" : " ") + number(lps(stored, 3)[axis]);
  }
  const std::string packed = gzip(voxel_bytes(mask), PackedForm::kZlib);
  return str_cat("ObjectType = Image\nNDims = 3\nBinaryData = True\n",
                 "BinaryDataByteOrderMSB = False\nCompressedData = True\nCompressedDataSize = ",
                 packed.size(), "\nTransformMatrix = ", matrix, "\nOffset = ", origin,
                 "\nCenterOfRotation = 0 0 0\nElementSpacing = ", spaces,
                 "\nDimSize = ", mask.size[0], " ", mask.size[1], " ", mask.size[2],
                 "\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n", packed);
}

}  // namespace

void write_mask_volume(const std::filesystem::path& path, MaskVolumeFormat format,
                       const VoxelMask& mask, const Volume& stored,
                       const std::filesystem::path& like) {
  MEDSEG_CHECK(mask.size == stored.size, "a mask of another volume");
  switch (format) {
    case MaskVolumeFormat::kNiftiGz:
    case MaskVolumeFormat::kNifti: {
      const std::string bytes = nifti_header(stored, like) + voxel_bytes(mask);
      const bool packed = format == MaskVolumeFormat::kNiftiGz;
      write_file(path, packed ? gzip(bytes, PackedForm::kGzip) : bytes);
      return;
    }
    case MaskVolumeFormat::kNrrd:
      write_file(path, nrrd(mask, stored));
      return;
    case MaskVolumeFormat::kMetaImage:
      write_file(path, metaimage(mask, stored));
      return;
  }
}

}  // namespace medseg
