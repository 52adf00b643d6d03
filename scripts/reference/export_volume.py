#!/usr/bin/env python3
"""Writes tests/golden/volume: small scans by nibabel and pynrrd with what those read back, and
masks by scipy.ndimage.

    export_volume.py tests/golden/volume

Packages: nibabel 5.4.2, pynrrd 1.1.3, scipy 1.17.1, numpy 2.4.6. Voxels are listed with the first
axis running fastest. `cases.json`: `scans` (file, size, affine, values, and the same after
`as_closest_canonical`), `morphology` (SHA-256 of the mask's bytes; the input is noise below a
bound, which the tests compute too), `blur`, `percentile`.
"""

import gzip
import hashlib
import io
import json
import pathlib
import plistlib
import sys
import tarfile

import nibabel as nib
import nrrd
import numpy as np
from scipy import ndimage as nd

OBLIQUE = np.array([[0.1, -1.9, 0.2, 11], [1.2, 0.2, -0.1, -7], [0.15, 0.1, 3.1, 5], [0, 0, 0, 1]])
SHAPE = (5, 4, 3)


def noise(count):
    i = np.arange(count, dtype=np.uint64)
    return (((i * 2654435761 + (i >> 3) * 40503) & 0xFFFFFFFF) >> 24).astype(np.uint8)


def voxels(dtype):
    values = noise(60).astype(np.float64)
    if np.dtype(dtype).kind in "if":
        values -= 128
    if dtype == np.int8:
        values = np.clip(values, -128, 127)
    if np.dtype(dtype).itemsize > 2:
        values *= 1000
    return values.astype(dtype).reshape(SHAPE, order="F")


def described(name, data, affine):
    image = nib.Nifti1Image(data.astype(np.float64), affine)
    canonical = nib.as_closest_canonical(image)
    flat = lambda i: [
        float(v) for v in np.asarray(i.dataobj).astype(np.float32).reshape(-1, order="F")
    ]
    return {
        "file": name,
        "size": list(data.shape),
        "affine": image.affine[:3].tolist(),
        "values": flat(image),
        "canonical": {
            "size": list(canonical.shape),
            "affine": canonical.affine[:3].tolist(),
            "values": flat(canonical),
        },
    }


def nifti(folder):
    def save(name, data, affine=OBLIQUE, kind=nib.Nifti1Image, endian="<", edit=None):
        header = kind.header_class(endianness=endian)
        header.set_data_dtype(data.dtype.newbyteorder(endian))
        image = kind(data, affine, header)
        if edit:
            edit(image)
        nib.save(image, folder / name)
        back = nib.load(folder / name)
        return described(
            name, np.asarray(back.get_fdata()).reshape((*back.shape, 1)[:3], order="F"), back.affine
        )

    def only_qform(image):
        rotation = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0], [0.48, 0.64, 0.6]]) @ np.diag(
            [1, 2, -3]
        )
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = rotation, (1, 2, 3)
        image.set_sform(None, 0)
        image.set_qform(affine, 1)

    def half_turn(image):
        image.set_sform(None, 0)
        image.set_qform(np.diag([-1.5, -1.5, 2, 1]), 2)

    def nothing(image):
        image.set_sform(None, 0)
        image.set_qform(None, 0)
        image.header.set_zooms((1.5, 2.5, 3.5))

    def both(image):
        image.set_qform(np.diag([9, 9, 9, 1]), 1)
        image.set_sform(OBLIQUE, 2)

    for dtype in (
        np.uint8,
        np.int8,
        np.int16,
        np.uint16,
        np.int32,
        np.uint32,
        np.int64,
        np.uint64,
        np.float32,
        np.float64,
    ):
        for endian in "<>":
            name = f"{np.dtype(dtype).name}_{'little' if endian == '<' else 'big'}.nii"
            yield save(name, voxels(dtype), endian=endian)
    yield save("second.nii", voxels(np.int16), kind=nib.Nifti2Image)
    yield save("second_big.nii.gz", voxels(np.float32), kind=nib.Nifti2Image, endian=">")
    yield save("packed.nii.gz", voxels(np.int16))
    yield save("qform.nii", voxels(np.int16), edit=only_qform)
    yield save("half_turn.nii", voxels(np.int16), edit=half_turn)
    yield save("no_form.nii", voxels(np.int16), edit=nothing)
    yield save("both_forms.nii", voxels(np.int16), edit=both)
    yield save("slope.nii", voxels(np.int32), edit=lambda i: i.header.set_slope_inter(0.1, -3.7))
    yield save("slice.nii", voxels(np.uint8)[:, :, 0])
    yield save("one_volume.nii", voxels(np.uint8)[..., None])


def nrrds(folder):
    lps = np.diag([-1, -1, 1, 1])
    for name, options, dtype in (
        ("lps.nrrd", {"space": "left-posterior-superior", "encoding": "gzip"}, np.int16),
        ("ras.nrrd", {"space": "right-anterior-superior", "encoding": "raw"}, np.float32),
        (
            "big.nrrd",
            {"space": "left-anterior-superior", "encoding": "raw", "endian": "big"},
            np.dtype(">u2"),
        ),
        ("bytes.nrrd", {"space": "left-posterior-superior", "encoding": "raw"}, np.uint8),
        ("doubles.nrrd", {"space": "left-posterior-superior", "encoding": "gzip"}, np.float64),
    ):
        data = voxels(np.dtype(dtype).newbyteorder("=")).astype(dtype)
        header = {"space directions": OBLIQUE[:3, :3].T, "space origin": OBLIQUE[:3, 3], **options}
        nrrd.write(str(folder / name), data, header, index_order="F")
        back, read = nrrd.read(str(folder / name), index_order="F")
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = np.asarray(read["space directions"]).T, read["space origin"]
        flip = {"l": lps, "r": np.eye(4)}[options["space"][0]]
        if "left-anterior" in options["space"]:
            flip = np.diag([-1, 1, 1, 1])
        yield described(name, np.asarray(back), flip @ affine)
    nrrd.write(
        str(folder / "spacings.nrrd"),
        voxels(np.int16),
        {"spacings": [0.5, 0.75, 2.0], "encoding": "gzip"},
        index_order="F",
    )
    yield described("spacings.nrrd", voxels(np.int16), lps @ np.diag([0.5, 0.75, 2.0, 1]))


def inv3(folder):
    """An InVesalius project: gzipped tar, matrix z, y, x; masks carry one more plane, row and
    column in front."""
    matrix = (noise(60).astype("<i2") - 128).reshape(3, 4, 5)
    mask = np.full((4, 5, 6), 255, np.uint8)
    mask[1:, 1:, 1:] = np.where(matrix > 10, 255, np.where(matrix > -50, 127, 0))
    plist = lambda value: plistlib.dumps(value, fmt=plistlib.FMT_XML)
    main = {
        "format_version": 1,
        "name": "made up",
        "masks": {"0": "mask_0.plist"},
        "modality": "CT",
        "orientation": 1,
        "matrix": {"dtype": "int16", "filename": "matrix.dat", "shape": [3, 4, 5]},
        "spacing": [0.5, 0.75, 2.0],
    }
    files = {
        "main.plist": plist(main),
        "matrix.dat": matrix.tobytes(),
        "mask_0.dat": mask.tobytes(),
        "mask_0.plist": plist(
            {
                "index": 0,
                "mask_file": "mask_0.dat",
                "mask_shape": [4, 5, 6],
                "name": "M\u00e1scara 1",
            }
        ),
    }

    def save(name, contents):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for file, data in contents.items():
                info = tarfile.TarInfo("project/" + file)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        (folder / name).write_bytes(gzip.compress(packed.getvalue(), mtime=0))

    save("project.inv3", files)
    save("short_matrix.inv3", {**files, "matrix.dat": files["matrix.dat"][:-2]})
    save("short_mask.inv3", {**files, "mask_0.dat": files["mask_0.dat"][:-1]})
    save("no_matrix.inv3", {k: v for k, v in files.items() if k != "matrix.dat"})
    save("floats.inv3", {**files, "main.plist": files["main.plist"].replace(b"int16", b"float64")})
    save("flat.inv3", {**files, "main.plist": files["main.plist"].replace(b"2.0", b"0.0")})
    affine = np.diag([-0.5, 0.75, 2.0, 1])
    yield described("project.inv3", matrix.transpose(2, 1, 0), affine)


def morphology():
    def digest(mask):
        return hashlib.sha256(np.ascontiguousarray(mask).astype(np.uint8).tobytes()).hexdigest()

    def largest(mask, n, relative):
        labels, count = nd.label(mask)
        if count == 0:
            return mask
        sizes = nd.sum(mask, labels, range(1, count + 1))
        order = np.argsort(-sizes, kind="stable")[:n]
        return np.isin(
            labels, [i + 1 for i in order if sizes[i] > relative * sizes.max() or i == order[0]]
        )

    slices = lambda f: lambda mask: np.stack([f(s) for s in mask])
    for size in ((1, 1, 1), (9, 1, 4), (17, 13, 5), (40, 31, 12)):
        for below in (30, 90, 150, 215, 250):
            mask = (noise(int(np.prod(size))) < below).reshape(size[::-1])
            labels, count = nd.label(mask)
            yield {
                "size": size,
                "below": below,
                "components": count,
                "labels": hashlib.sha256(labels.astype("<i4").tobytes()).hexdigest(),
                "open": [digest(nd.binary_opening(mask, iterations=n)) for n in (1, 2)],
                "close": [digest(nd.binary_closing(mask, iterations=n)) for n in (1, 2)],
                "erode": [digest(nd.binary_erosion(mask, iterations=n)) for n in (1, 2)],
                "dilate": [digest(nd.binary_dilation(mask, iterations=n)) for n in (1, 2)],
                "open_by_slice": [
                    digest(slices(lambda s: nd.binary_opening(s, iterations=n))(mask))
                    for n in (1, 2)
                ],
                "close_by_slice": [
                    digest(slices(lambda s: nd.binary_closing(s, iterations=n))(mask))
                    for n in (1, 3)
                ],
                "fill": digest(slices(nd.binary_fill_holes)(mask)),
                "largest": digest(largest(mask, 1, 0)),
                "two_largest": digest(largest(mask, 2, 0.1)),
            }


def intensities():
    size = (17, 13, 5)
    scan = (noise(int(np.prod(size))).astype(np.float32) - 60).reshape(size[::-1])
    for sigma in (0.5, 1.0, 3.0):
        out = nd.gaussian_filter(scan, (0, sigma, sigma))
        yield {"size": size, "sigma": sigma, "values": [float(v) for v in out.reshape(-1)]}


def percentiles():
    scan = noise(17 * 13 * 5).astype(np.float64) - 60
    for percent in (0, 0.5, 33.3, 50, 99.5, 100):
        yield {
            "percent": percent,
            "all": float(np.percentile(scan, percent)),
            "positive": float(np.percentile(scan[scan > 0], percent)),
        }


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    cases = {
        "scans": [*nifti(folder), *nrrds(folder), *inv3(folder)],
        "morphology": list(morphology()),
        "blur": list(intensities()),
        "percentile": list(percentiles()),
    }
    lines = [
        json.dumps(topic) + ": [\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"
        for topic, rows in cases.items()
    ]
    (folder / "cases.json").write_text("{" + ",\n".join(lines) + "}\n")


main(pathlib.Path(sys.argv[1]))
