// Manifests whose files are not what they should be: each has one fault, and the doctor says one
// line of it.
#include "dataset/faulty_fixture.h"

namespace medseg {
namespace {

TEST_F(Faulty, FilesAreNamedInOneLine) {
  says({
      {"no such image", line("a", R"("image":"gone.png")"),
       "1 unreadable-image image: DIR/gone.png: cannot open: No such file or directory"},
      {"an image in other letters", line("a", R"("image":"Image.PNG")"),
       R"(1 unreadable-image image: DIR/Image.PNG: no such file; there is "image.png")"},
      {"a path of Windows", line("a", R"("image":".\\image.png")"),
       R"(1 unreadable-image image: DIR/.\image.png: a Windows path; write "image.png")"},
      {"a path of another computer", line("a", R"("image":"C:\\data\\image.png")"),
       R"(1 unreadable-image image: DIR/C:\data\image.png: a path of another computer ("C:\data\image.png"); write it relative to the manifest)"},
      {"an absolute path",
       line("a", str_cat("\"image\":\"", (folder_ / "image.png").string(), "\"")),
       R"(warning: 1 absolute-path image: "DIR/image.png" is an absolute path)"},
      {"a text as image", line("a", R"("image":"text.png")"),
       "1 unreadable-image image: DIR/text.png: not an image this program reads; expected PNG, "
       "JPEG, TIFF or BMP"},
      {"an image that is cut", line("a", R"("image":"cut.png")"),
       "1 unreadable-image image: DIR/cut.png: truncated PNG: the file ends before its IEND chunk"},
      {"a page of the web as image", line("a", R"("image":"page.jpg")"),
       "1 unreadable-image image: DIR/page.jpg: not an image this program reads: a web page, as a "
       "failed download leaves it; expected PNG, JPEG, TIFF or BMP"},
      {"a flat image", line("a", R"("image":"flat.png")"),
       "warning: 1 flat-image image: only 1 grey value"},
      {"a saturated image", line("a", R"("image":"white.png")"),
       "warning: 1 saturated-image image: 0.5 % of its pixels are black and 98.1 % white"},
      {"16 bits without a window", line("a", R"("image":"deep.png","modality":"x-ray")"),
       R"(warning: 1 assumed-window image: a 16-bit image without "window": shown by its own range, own-range(0, 900))"},
      {"an image that is turned", line("a", R"("image":"turned6.jpg")"),
       "warning: 1 turned-image image: the file says that it is turned (EXIF orientation 6): it is "
       "shown upright, and so are its masks"},
      {"a volume without a slice", line("a", R"("image":"plain.nii.gz")"),
       R"(1 unreadable-image image: plain.nii.gz is a volume; expected "slice": {"axis": 2, "index": N})"},
      {"a slice that is not there", slice(R"("image":"plain.nii.gz")", 7),
       "1 unreadable-image image: slice.index: 7 is out of range: plain.nii.gz has 3 slices along "
       "axis 2"},
      {"a file of several volumes", slice(R"("image":"four_d.nii.gz")", 1),
       R"(1 unreadable-image image: DIR/four_d.nii.gz: has 3 volumes (4-D); say which one: "slice": {…, "volume": 0 to 2})"},
      {"a volume that is cut", slice(R"("image":"cut.nii.gz")", 1),
       "1 unreadable-image image: DIR/cut.nii.gz: damaged or truncated gzip stream"},
      {"a pair without its voxels", slice(R"("image":"alone.hdr")", 1),
       "1 unreadable-image image: DIR/alone.hdr: the header of a NIfTI pair; its voxels (.img of "
       "the same name) are not beside it"},
      {"no such mask", line("a", kImage, R"("file":"gone.png")"),
       "1 unreadable-mask masks.m: DIR/gone.png: cannot open: No such file or directory"},
      {"a text as mask", line("a", kImage, R"("file":"text.png")"),
       "1 unreadable-mask masks.m: DIR/text.png: not an image this program reads; expected PNG, "
       "JPEG, TIFF or BMP"},
      {"a mask that is cut", line("a", kImage, R"("file":"cut.png")"),
       "1 unreadable-mask masks.m: DIR/cut.png: truncated PNG: the file ends before its IEND "
       "chunk"},
      {"a mask as JPEG", line("a", kImage, R"("file":"hard.jpg")"),
       R"(1 unreadable-mask masks.m: DIR/hard.jpg: JPEG changes pixels; expected a lossless mask (PNG, TIFF, BMP), or "threshold": 127)"},
      {"a mask in colours", line("a", kImage, R"("file":"colours.png")"),
       R"(1 unreadable-mask masks.m: DIR/colours.png: a mask in colours; say which one: "value": [0, 255, 0]; the file has [0, 255, 0], [10, 20, 30], [255, 0, 0])"},
      {"a mask of several pages", line("a", kImage, R"("file":"pages.tif")"),
       R"(1 unreadable-mask masks.m: DIR/pages.tif: a TIFF of 3 pages; say which one: "page": 0 to 2)"},
      {"a page that is not there", line("a", kImage, R"("file":"pages.tif","page":9)"),
       "1 unreadable-mask masks.m: DIR/pages.tif: page 9 is out of range: the file has 3 pages"},
      {"a soft mask", line("a", kImage, R"("file":"soft.png")"),
       "warning: 1 soft-mask masks.m: a soft mask of 21 grey values: 119 pixels are not 0, which "
       "is the mask, and 37 are above 127"},
      {"a label that looks like ignore", line("a", kImage, R"("file":"ignore.png")"),
       "warning: 1 ignore-label masks.m: 30 pixels are 255 beside labels up to 2, and count as the "
       "structure"},
      {"a mask of another size", line("a", kImage, R"("file":"small.png")"),
       "1 mask-size masks.m: 8 x 11 pixels, but the picture has 19 x 11"},
      {"runs of another size", line("a", kImage, R"("rle":{"size":[19,11],"counts":[9,200]})"),
       "1 mask-size masks.m: 11 x 19 pixels, but the picture has 19 x 11; it is turned by a "
       "quarter against its image"},
      {"runs beyond the mask", line("a", kImage, R"("rle":{"size":[11,19],"counts":[1,900]})"),
       "1 malformed-record masks.m.rle.counts: the runs exceed height * width"},
      {"an empty mask", line("a", kImage, R"("file":"empty.png")"),
       "1 empty-mask masks.m: empty behind [SEG]"},
      {"a value that no pixel has", line("a", kImage, R"("file":"index.png","value":77)"),
       "1 empty-mask masks.m: empty behind [SEG]"},
      {"a threshold and a value",
       line("a", kImage, R"("file":"soft.png","threshold":127,"value":3)"),
       R"(1 malformed-record masks.m.threshold: stands beside "value"; expected one of them)"},
      {"a polygon of two points", line("a", kImage, R"("polygons":[[0,0,1,0]])"),
       "1 malformed-record masks.m.polygons: expected three or more points x, y, found [0,0,1,0]"},
      {"labels on another grid", slice(R"("image":"plain.nii.gz")", 1, R"("file":"scan.mha")"),
       "1 unreadable-mask masks.m: DIR/scan.mha: a label volume on another grid than its image: 5 "
       "x 4 x 3 voxels of 0.700 x 1.250 x 4.000 mm from (28.43, -16.91, 92.00), the image has 5 x "
       "4 x 3 voxels of 1.500 x 2.000 x 3.000 mm from (4.00, -20.00, 24.00)"},
      {"labels for a picture", line("a", kImage, R"("file":"plain.nii.gz")"),
       R"(1 unreadable-mask masks.m: DIR/plain.nii.gz: a label volume; the record needs a "slice" to be taken of it)"},
      {"an image file as mask of a slice",
       slice(R"("image":"plain.nii.gz")", 1, R"("file":"slice.png")"),
       "warning: 1 slice-view masks.m: an image file as mask of a slice is read as the slice is "
       "shown, front up and the patient's right on the left"},
      {"a volume in two splits",
       slice(R"("image":"plain.nii.gz","split":"train")", 1) +
           slice(R"("image":"pair.hdr","split":"test")", 1, kTriangle, "b"),
       "0 volume-leak volume pair.hdr = plain.nii.gz stands in splits test, train"},
  });
}

}  // namespace
}  // namespace medseg
