/// \file
/// The attributes that are read (PS3.6). None of them is about the patient.
#pragma once

#include "dicom_file.h"

namespace medseg {

inline constexpr DicomTag kSopClass{0x0008, 0x0016}, kSopInstance{0x0008, 0x0018},
    kModality{0x0008, 0x0060}, kSeriesUid{0x0020, 0x000e}, kStudyUid{0x0020, 0x000d},
    kSeriesNumber{0x0020, 0x0011}, kInstanceNumber{0x0020, 0x0013},
    kAcquisitionNumber{0x0020, 0x0012}, kTemporalPosition{0x0020, 0x0100},
    kFrameOfReference{0x0020, 0x0052}, kPosition{0x0020, 0x0032}, kOrientation{0x0020, 0x0037};

// Image pixels
inline constexpr DicomTag kRows{0x0028, 0x0010}, kColumns{0x0028, 0x0011},
    kSamplesPerPixel{0x0028, 0x0002}, kPhotometric{0x0028, 0x0004},
    kPlanarConfiguration{0x0028, 0x0006}, kNumberOfFrames{0x0028, 0x0008},
    kBitsAllocated{0x0028, 0x0100}, kBitsStored{0x0028, 0x0101}, kHighBit{0x0028, 0x0102},
    kPixelRepresentation{0x0028, 0x0103}, kPaddingValue{0x0028, 0x0120},
    kPaddingLimit{0x0028, 0x0121};

// Spacing
inline constexpr DicomTag kPixelSpacing{0x0028, 0x0030}, kSliceThickness{0x0018, 0x0050},
    kSpacingBetweenSlices{0x0018, 0x0088}, kImagerSpacing{0x0018, 0x1164},
    kNominalSpacing{0x0018, 0x2010}, kGridOffsets{0x3004, 0x000c}, kDoseScaling{0x3004, 0x000e};

// Values and windows
inline constexpr DicomTag kSlope{0x0028, 0x1053}, kIntercept{0x0028, 0x1052},
    kModalityLut{0x0028, 0x3000}, kVoiLut{0x0028, 0x3010}, kLutDescriptor{0x0028, 0x3002},
    kLutData{0x0028, 0x3006}, kWindowCenter{0x0028, 0x1050}, kWindowWidth{0x0028, 0x1051},
    kVoiFunction{0x0028, 0x1056};
inline constexpr DicomTag kPaletteDescriptor[] = {
    {0x0028, 0x1101}, {0x0028, 0x1102}, {0x0028, 0x1103}};
inline constexpr DicomTag kPaletteData[] = {{0x0028, 0x1201}, {0x0028, 0x1202}, {0x0028, 0x1203}};
inline constexpr DicomTag kSegmentedPalette{0x0028, 0x1221};

// Functional groups of multi-frame files
inline constexpr DicomTag kSharedGroups{0x5200, 0x9229}, kPerFrameGroups{0x5200, 0x9230},
    kPlanePosition{0x0020, 0x9113}, kPlaneOrientation{0x0020, 0x9116},
    kPixelMeasures{0x0028, 0x9110}, kValueTransformation{0x0028, 0x9145},
    kFrameVoiLut{0x0028, 0x9132}, kFrameContent{0x0020, 0x9111}, kTemporalIndex{0x0020, 0x9128};

// Segmentations
inline constexpr DicomTag kSegmentationType{0x0062, 0x0001}, kSegments{0x0062, 0x0002},
    kSegmentNumber{0x0062, 0x0004}, kSegmentIdentification{0x0062, 0x000a},
    kReferencedSegment{0x0062, 0x000b};

}  // namespace medseg
