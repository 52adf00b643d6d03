#!/usr/bin/env python3
"""Writes tests/golden/dicom: one small scan as DICOM series and files.

    export_dicom.py tests/golden/dicom

Packages: pydicom 3.0.2, highdicom 0.28.2, Pillow 13.0.0, numpy 2.4.6. `cases.json` has of
each folder or file what pydicom reads: size, affine in RAS, values with the first axis running
fastest, null for padding.
"""

import io
import json
import pathlib
import sys

import highdicom as hd
import numpy as np
import PIL.Image
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

COLUMNS, ROWS, SLICES = 5, 4, 3
# Stored samples of slice k, row j, column i.
DATA = ((np.arange(SLICES * ROWS * COLUMNS) * 37 % 251) * 8).reshape(SLICES, ROWS, COLUMNS)
ROW_MM, COLUMN_MM, STEP_MM = 2.0, 1.5, 3.0
cases = []


def uid(number):
    return f"2.25.{1000 + number}"


def slice_of(k, syntax=ExplicitVRLittleEndian, **changes):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = uid(k)
    meta.TransferSyntaxUID = syntax
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.set_original_encoding(
        syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian, "iso8859"
    )
    ds.SOPClassUID = pydicom.uid.CTImageStorage
    ds.SOPInstanceUID = uid(k)
    ds.PatientName, ds.PatientID = "Doe^Jane", "SECRET-ID"
    ds.PatientBirthDate, ds.PatientSex = "19700101", "F"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(100), uid(101)
    ds.FrameOfReferenceUID = uid(102)
    ds.StudyDate, ds.StudyTime, ds.StudyID = "20200101", "120000", "1"
    ds.AccessionNumber, ds.ReferringPhysicianName = "", ""
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "CT", 4, k + 1
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ImagePositionPatient = [-10.0, 20.0, 30.0 + STEP_MM * k]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [ROW_MM, COLUMN_MM]
    ds.SliceThickness = STEP_MM
    ds.Rows, ds.Columns, ds.SamplesPerPixel = ROWS, COLUMNS, 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    ds.WindowCenter, ds.WindowWidth = 40, 400
    order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
    ds.PixelData = DATA[k].astype(order).tobytes()
    for name, value in changes.items():
        setattr(ds, name, value)
    return ds


def save(ds, path, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = ds["PixelData"]
    pixels.VR = "OB" if ds.BitsAllocated == 8 or pixels.is_undefined_length else "OW"
    ds.save_as(path, enforce_file_format=False, **how)


def series(folder, name, change=lambda ds, k: None, which=range(SLICES), **how):
    for k in which:
        ds = slice_of(k, **how)
        change(ds, k)
        # File names run against the slices.
        save(ds, folder / name / f"{9 - k}.dcm")


def add(name, values, affine, **more):
    flat = np.asarray(values, np.float64).reshape(-1)
    cases.append(
        {
            "file": name,
            "size": list(np.shape(values))[::-1],
            "affine": np.asarray(affine).tolist(),
            "values": [None if np.isnan(v) else float(v) for v in flat],
            **more,
        }
    )


def affine(step=(0, 0, STEP_MM), origin=(-10, 20, 30), across=(1, 0, 0), down=(0, 1, 0)):
    lps = np.array(
        [
            np.multiply(across, COLUMN_MM),
            np.multiply(down, ROW_MM),
            step,
            origin,
        ]
    ).T
    return lps * np.array([[-1], [-1], [1]])


HU = DATA - 1024.0


def plain(folder):
    series(folder, "series")
    add("series", HU, affine(), window=[-160, 239])
    for name, syntax in (
        ("implicit", ImplicitVRLittleEndian),
        ("big_endian", ExplicitVRBigEndian),
        ("deflated", DeflatedExplicitVRLittleEndian),
    ):
        save(slice_of(1, syntax), folder / f"{name}.dcm")
        add(f"{name}.dcm", HU[1:2], affine(origin=(-10, 20, 33)))
    ds = slice_of(1)
    ds.compress(RLELossless)
    save(ds, folder / "rle.dcm")
    add("rle.dcm", HU[1:2], affine(origin=(-10, 20, 33)))
    ds = slice_of(1, JPEG2000Lossless)
    stream = io.BytesIO()
    PIL.Image.fromarray(DATA[1].astype(np.uint16)).save(
        stream, "JPEG2000", irreversible=False, num_resolutions=1, no_jp2=True
    )
    ds.PixelData = encapsulate([stream.getvalue()])
    ds["PixelData"].is_undefined_length = True
    save(ds, folder / "jpeg2000.dcm")
    add("jpeg2000.dcm", HU[1:2], affine(origin=(-10, 20, 33)))
    # Without preamble and meta header.
    ds = slice_of(1, ImplicitVRLittleEndian)
    del ds.file_meta
    ds.preamble = None
    pydicom.dcmwrite(
        folder / "bare.dcm", ds, implicit_vr=True, little_endian=True, enforce_file_format=False
    )
    add("bare.dcm", HU[1:2], affine(origin=(-10, 20, 33)))


def places(folder):
    def tilt(ds, k):
        ds.ImagePositionPatient = [-10.0, 20.0 + k, 30.0 + STEP_MM * k]

    series(folder, "tilted", tilt)
    add("tilted", HU, affine(step=(0, 1, STEP_MM)))

    def sagittal(ds, k):
        ds.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        ds.ImagePositionPatient = [30.0 - STEP_MM * k, 20.0, 50.0]

    series(folder, "sagittal", sagittal)
    # Slices count along the normal, (0, 1, 0) x (0, 0, -1) = (-1, 0, 0).
    add(
        "sagittal",
        HU,
        affine(step=(-STEP_MM, 0, 0), origin=(30, 20, 50), across=(0, 1, 0), down=(0, 0, -1)),
    )

    def gap(ds, k):
        ds.ImagePositionPatient = [-10.0, 20.0, 30.0 + STEP_MM * (k if k < 2 else 4)]

    series(folder, "missing", gap)
    series(folder, "two_series")
    other = slice_of(0, SeriesInstanceUID=uid(201), SeriesNumber=5, SOPInstanceUID=uid(202))
    other.Modality = "PT"
    save(other, folder / "two_series" / "other.dcm")

    series(folder, "times")
    for k in range(SLICES):
        ds = slice_of(k, SOPInstanceUID=uid(50 + k), InstanceNumber=50 + k)
        ds.PixelData = (DATA[k] + 1).astype("<u2").tobytes()
        save(ds, folder / "times" / f"later{k}.dcm")
    add("times", HU, affine(), index=0)
    add("times", HU + 1, affine(), index=1)


def values(folder):
    shift = {"origin": (-10, 20, 33)}
    signed = slice_of(1, PixelRepresentation=1, RescaleIntercept=0, PixelPaddingValue=-2000)
    data = DATA[1].astype("<i2") - 500
    data[0, 0] = -2000
    signed.BitsStored, signed.HighBit = 16, 15
    signed.PixelData = data.tobytes()
    signed["PixelPaddingValue"].VR = "SS"
    save(signed, folder / "padding.dcm")
    expected = data.astype(float)
    expected[0, 0] = np.nan
    add("padding.dcm", expected[None], affine(**shift))

    inverted = slice_of(1, PhotometricInterpretation="MONOCHROME1", RescaleIntercept=0)
    inverted.Modality = "DX"
    inverted.WindowCenter, inverted.WindowWidth = 1000.5, 1001
    save(inverted, folder / "monochrome1.dcm")
    add("monochrome1.dcm", 4095.0 - DATA[1:2], affine(**shift), window=[4095 - 1500, 4095 - 500])

    table = Dataset()
    table.LUTDescriptor = [4096, 0, 12]
    table.LUTExplanation = "curve"
    curve = (4095 * (np.arange(4096) / 4095) ** 0.5).astype("<u2")
    table.LUTData = curve.tolist()
    table["LUTData"].VR = "US"
    voi = slice_of(1, RescaleIntercept=0, VOILUTSequence=Sequence([table]))
    voi["VOILUTSequence"].value[0]["LUTDescriptor"].VR = "US"
    save(voi, folder / "voi_lut.dcm")
    read = pydicom.dcmread(folder / "voi_lut.dcm")
    add(
        "voi_lut.dcm",
        apply_voi_lut(read.pixel_array, read, prefer_lut=True)[None],
        affine(**shift),
        window=[0, 4095],
    )

    # Overlay bits above the stored ones.
    overlay = slice_of(1)
    overlay.PixelData = (DATA[1] | 0xF000).astype("<u2").tobytes()
    save(overlay, folder / "high_bits.dcm")
    add("high_bits.dcm", HU[1:2], affine(**shift))


def colours(folder):
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (ROWS, COLUMNS, 3), np.uint8)
    for name, planar in (("rgb", 0), ("planes", 1)):
        ds = slice_of(0, SamplesPerPixel=3, PhotometricInterpretation="RGB")
        ds.BitsAllocated = ds.BitsStored = 8
        ds.HighBit, ds.PlanarConfiguration = 7, planar
        ds.PixelData = (rgb.transpose(2, 0, 1) if planar else rgb).tobytes()
        save(ds, folder / f"{name}.dcm")
    ds = slice_of(0, PhotometricInterpretation="PALETTE COLOR")
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    index = (np.arange(ROWS * COLUMNS) % 7).astype(np.uint8)
    ds.PixelData = index.tobytes()
    palette = rng.integers(0, 256, (3, 7))
    for c, colour in enumerate(("Red", "Green", "Blue")):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [7, 0, 16])
        ds[f"{colour}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(
            ds,
            f"{colour}PaletteColorLookupTableData",
            (palette[c] * 257).astype("<u2").tobytes(),
        )
    save(ds, folder / "palette.dcm")
    (folder / "colours.json").write_text(
        json.dumps(
            {
                "rgb.dcm": rgb.reshape(-1).tolist(),
                "planes.dcm": rgb.reshape(-1).tolist(),
                "palette.dcm": palette.T[index].reshape(-1).tolist(),
            }
        )
        + "\n"
    )


def enhanced(folder):
    ds = slice_of(0)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedCTImageStorage
    ds.NumberOfFrames = SLICES
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del ds[name]
    del ds.RescaleSlope, ds.RescaleIntercept, ds.WindowCenter, ds.WindowWidth
    shared, frames = Dataset(), []
    shared.PlaneOrientationSequence = [Dataset()]
    shared.PlaneOrientationSequence[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence = [Dataset()]
    shared.PixelMeasuresSequence[0].PixelSpacing = [ROW_MM, COLUMN_MM]
    shared.PixelMeasuresSequence[0].SliceThickness = STEP_MM
    order = [2, 0, 1]  # frames are not stored in the order of their places
    for k in order:
        frame = Dataset()
        frame.PlanePositionSequence = [Dataset()]
        frame.PlanePositionSequence[0].ImagePositionPatient = [-10.0, 20.0, 30 + STEP_MM * k]
        frame.PixelValueTransformationSequence = [Dataset()]
        scale = frame.PixelValueTransformationSequence[0]
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = k + 1, -1000, "HU"
        frames.append(frame)
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = frames
    ds.PixelData = DATA[order].astype("<u2").tobytes()
    save(ds, folder / "enhanced.dcm")
    scaled = DATA * np.arange(1, SLICES + 1)[:, None, None] - 1000.0
    add("enhanced.dcm", scaled, affine())


def segmentation(folder):
    sources = [slice_of(k) for k in range(SLICES)]
    for source in sources:
        source.PatientAge, source.Manufacturer = "050Y", "nobody"
    first, second = np.zeros((SLICES, ROWS, COLUMNS), bool), np.zeros((SLICES, ROWS, COLUMNS), bool)
    first[1, 1:3, 1:4] = True
    second[1:, 2, 2:] = True  # overlaps the first
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.AnatomicalStructure,
            segmented_property_type=code,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, label, code in ((1, "liver", codes.SCT.Liver), (2, "spleen", codes.SCT.Spleen))
    ]
    seg = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=np.stack([first, second], -1).astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=uid(300),
        series_number=300,
        sop_instance_uid=uid(301),
        instance_number=1,
        manufacturer="nobody",
        manufacturer_model_name="nothing",
        software_versions="0",
        device_serial_number="0",
    )
    seg.save_as(folder / "seg.dcm")
    origin = {"origin": (-10, 20, 33)}  # the first slice is empty: left out
    add("seg.dcm", first[1:].astype(float), affine(**origin), index=1)
    add("seg.dcm", second[1:].astype(float) * 2, affine(**origin), index=2)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for part in (plain, places, values, colours, enhanced, segmentation):
        part(folder)
    (folder / "cases.json").write_text(
        "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n"
    )


main()
