#!/usr/bin/env python3
"""Writes tests/golden/formats: one small scan in the kinds of volume files that scanners and
programs write.

    export_formats.py tests/golden/formats

Packages: nibabel 5.4.2, SimpleITK 2.5.7, pynrrd 1.1.3, numpy 2.4.6. `cases.json`: `volumes`
(file, index of a 4-D file, size, affine in RAS, values with the first axis running fastest, as
the writing library reads them back) and `turns` (all 48 orientations: affine and values before
and after nibabel's `as_closest_canonical`).
"""

import gzip
import itertools
import json
import pathlib
import struct
import sys
import zlib

import nibabel as nib
import nrrd
import numpy as np
import SimpleITK as sitk

SHAPE = (5, 4, 3)
DATA = ((np.arange(60) * 37 % 251) - 120).astype(np.int16).reshape(SHAPE, order="F")
AFFINE = np.array([[-1.5, 0, 0, 10], [0, 2.0, 0, -20], [0, 0, -3.0, 30], [0, 0, 0, 1]])
cases = {"volumes": [], "turns": []}


def flat(values):
    return [float(v) for v in np.asarray(values, np.float32).reshape(-1, order="F")]


def add(name, values, affine, index=None):
    row = {
        "file": name,
        "size": list(values.shape),
        "affine": np.asarray(affine)[:3].tolist(),
        "values": flat(values),
    }
    if index is not None:
        row["index"] = index
    cases["volumes"].append(row)


def niftis(folder):
    image = nib.Nifti1Image(DATA, AFFINE)
    nib.save(image, folder / "plain.nii.gz")
    raw = gzip.decompress((folder / "plain.nii.gz").read_bytes())
    (folder / "named.nii.gz").write_bytes(raw)
    (folder / "CAPITALS.NII.GZ").write_bytes((folder / "plain.nii.gz").read_bytes())
    (folder / "nameless").write_bytes((folder / "plain.nii.gz").read_bytes())
    pieces = [gzip.compress(raw[i : i + 100], mtime=0) for i in range(0, len(raw), 100)]
    (folder / "members.nii.gz").write_bytes(b"".join(pieces))
    (folder / "padded.nii.gz").write_bytes(gzip.compress(raw, mtime=0) + bytes(512))
    (folder / "members_padded.nii.gz").write_bytes(b"".join(pieces) + bytes(7))
    for name in (
        "plain.nii.gz",
        "named.nii.gz",
        "CAPITALS.NII.GZ",
        "nameless",
        "members.nii.gz",
        "padded.nii.gz",
        "members_padded.nii.gz",
    ):
        add(name, DATA, AFFINE)
    nib.save(nib.Nifti1Pair(DATA, AFFINE), folder / "pair.hdr")
    nib.save(nib.Nifti1Pair(DATA, AFFINE), folder / "packed.hdr.gz")
    nib.save(nib.Nifti2Pair(DATA, AFFINE), folder / "second.hdr")
    for name in (
        "pair.hdr",
        "pair.img",
        "packed.hdr.gz",
        "packed.img.gz",
        "second.hdr",
        "second.img",
    ):
        add(name, DATA, AFFINE)
    four = np.stack([DATA, DATA * 2, DATA - 7], axis=3)
    nib.save(nib.Nifti1Image(four, AFFINE), folder / "four_d.nii.gz")
    for index in range(3):
        add("four_d.nii.gz", four[..., index], AFFINE, index)
    five = np.stack([four, four + 1], axis=4)[:, :, :, :1]
    nib.save(nib.Nifti1Image(five, AFFINE), folder / "five_d.nii")
    add("five_d.nii", five[..., 0, 1], AFFINE, 1)
    nib.save(nib.Nifti1Image(DATA[..., None], AFFINE), folder / "four_d_of_one.nii")
    add("four_d_of_one.nii", DATA, AFFINE)
    zero = nib.Nifti1Image(DATA, AFFINE)
    zero.set_qform(AFFINE, 1)
    zero.header["sform_code"] = 2
    for row in "xyz":
        zero.header["srow_" + row] = 0
    (folder / "zero_sform.nii").write_bytes(
        zero.header.binaryblock + bytes(4) + DATA.tobytes(order="F")
    )
    text = bytearray((folder / "zero_sform.nii").read_bytes())
    text[344:348] = b"n+1\0"
    struct.pack_into("<f", text, 108, 352)
    (folder / "zero_sform.nii").write_bytes(text)
    add("zero_sform.nii", DATA, zero.get_qform())
    colours = np.zeros(SHAPE, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    nib.save(nib.Nifti1Image(colours, AFFINE), folder / "rgb.nii.gz")
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<i", header, 32, 16384)
    (folder / "analyze.hdr").write_bytes(header)
    nib.save(nib.Nifti1Image(DATA.astype(np.complex64), AFFINE), folder / "complex.nii.gz")


def from_itk(image):
    values = sitk.GetArrayFromImage(image)
    n = image.GetDimension()
    direction, spacing, origin = np.eye(3), np.ones(3), np.zeros(3)
    direction[:n, :n] = np.array(image.GetDirection()).reshape(n, n)
    spacing[:n], origin[:n] = image.GetSpacing(), image.GetOrigin()
    affine = np.column_stack([direction * spacing, origin])
    affine[:2] *= -1
    values = values.transpose()
    return (values if n == 3 else values[..., None]), affine


def itk_files(folder):
    angle = 0.3
    turn = [np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle), 0, 0, 0, -1]
    for name, kind, packed in [
        ("scan.mha", sitk.sitkInt16, False),
        ("packed.mha", sitk.sitkInt16, True),
        ("scan.mhd", sitk.sitkInt16, False),
        ("packed.mhd", sitk.sitkFloat32, True),
        ("u8.mha", sitk.sitkUInt8, True),
        ("f64.mha", sitk.sitkFloat64, False),
        ("u32.mha", sitk.sitkUInt32, False),
        ("itk.nrrd", sitk.sitkInt16, True),
        ("itk.nhdr", sitk.sitkInt16, False),
        ("itk_packed.nhdr", sitk.sitkInt16, True),
        ("itk.nii.gz", sitk.sitkInt16, True),
    ]:
        values = DATA.astype(float) + (200 if kind in (sitk.sitkUInt8, sitk.sitkUInt32) else 0)
        image = sitk.Cast(sitk.GetImageFromArray(np.clip(values, -200, 255).transpose()), kind)
        image.SetSpacing((0.7, 1.25, 4))
        image.SetOrigin((-30, 12.5, 100))
        image.SetDirection(turn)
        sitk.WriteImage(image, str(folder / name), packed)
        add(name, *from_itk(sitk.ReadImage(str(folder / name))))
    flat_image = sitk.GetImageFromArray(DATA[:, :, 1].transpose())
    flat_image.SetSpacing((0.5, 0.25))
    flat_image.SetOrigin((3, 4))
    for name in ("flat.mha",):
        sitk.WriteImage(flat_image, str(folder / name), False)
        add(name, *from_itk(sitk.ReadImage(str(folder / name))))
    # As other writers do: big-endian, old names of the fields, the voxels at the end of a foreign
    # file.
    head = "NDims = 3\nDimSize = 5 4 3\nElementType = MET_SHORT\n"
    head += "ElementSize = 1 2 3\nPosition = 7 8 9\n"
    big = DATA.astype(">i2").tobytes(order="F")
    (folder / "big_endian.mha").write_bytes(
        (head + "ElementByteOrderMSB = True\nElementDataFile = LOCAL\n").encode() + big
    )
    (folder / "tail.raw").write_bytes(b"something else" + DATA.tobytes(order="F"))
    (folder / "tail.mhd").write_text(head + "HeaderSize = -1\nElementDataFile = tail.raw\n")
    plain = np.array([[-1, 0, 0, -7], [0, -2, 0, -8], [0, 0, 3, 9]])
    add("big_endian.mha", DATA, plain)
    add("tail.mhd", DATA, plain)


def nrrds(folder):
    lps = {
        "space": "left-posterior-superior",
        "space directions": np.diag([1.5, 2, 3]),
        "space origin": [1, 2, 3],
    }
    affine = np.array([[-1.5, 0, 0, -1], [0, -2, 0, -2], [0, 0, 3, 3]])
    nrrd.write(str(folder / "text.nrrd"), DATA, {**lps, "encoding": "ascii"})
    add("text.nrrd", DATA, affine)
    nrrd.write(
        str(folder / "detached.nhdr"), DATA, {**lps, "encoding": "gzip"}, detached_header=True
    )
    add("detached.nhdr", DATA, affine)
    nrrd.write(str(folder / "flat.nrrd"), DATA[:, :, 0], {"spacings": [0.5, 0.25]})
    add("flat.nrrd", DATA[:, :, :1], [[-0.5, 0, 0, 0], [0, -0.25, 0, 0], [0, 0, 1, 0]])
    layers = np.stack([DATA > 0, DATA > 50]).astype(np.uint8)
    nrrd.write(
        str(folder / "layers.seg.nrrd"),
        layers,
        {
            **lps,
            "space directions": [[np.nan] * 3, [1.5, 0, 0], [0, 2, 0], [0, 0, 3]],
            "kinds": ["list", "domain", "domain", "domain"],
        },
    )
    for index in range(2):
        add("layers.seg.nrrd", layers[index], affine, index)
    head = (
        "NRRD0005\nTYPE: Short\nDimension: 3\nSizes: 5 4 3\n"
        "Endian: Little\nEncoding: Raw\nSpace: LPS\n"
        "Space Directions: (1.5,0,0) (0,2,0) (0,0,3)\nSpace Origin: (1,2,3)\n"
        "Byte Skip: 5\nLine Skip: 1\n\n"
    )
    (folder / "capitals.nrrd").write_bytes(
        head.encode() + b"a line\n12345" + DATA.tobytes(order="F")
    )
    add("capitals.nrrd", DATA, affine)


def turns():
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4, order="F")
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            affine = np.zeros((4, 4))
            for column, row in enumerate(order):
                affine[row, column] = signs[column] * (1.5, 2, 3)[column]
            affine[:, 3] = (5, -6, 7, 1)
            image = nib.Nifti1Image(values, affine)
            turned = nib.as_closest_canonical(image)
            cases["turns"].append(
                {
                    "affine": affine[:3].tolist(),
                    "name": "".join(nib.aff2axcodes(affine)),
                    "size": list(turned.shape),
                    "turned": turned.affine[:3].tolist(),
                    "values": flat(turned.dataobj),
                }
            )


folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
niftis(folder)
itk_files(folder)
nrrds(folder)
turns()
(folder / "cases.json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
(folder / "README.md").write_text("""# Volume files

Made by nibabel 5.4.2, SimpleITK 2.5.7, pynrrd 1.1.3 and numpy 2.4.6:

    scripts/reference/export_formats.py tests/golden/formats

One small scan in the kinds of files that those and other programs write, and `cases.json`: what
they read back, and all 48
orientations before and after nibabel's `as_closest_canonical`.
""")
