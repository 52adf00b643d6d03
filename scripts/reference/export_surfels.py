"""Writes src/metrics/surfel_normals.cpp: the surface elements of DeepMind's surface-distance.

Each of the 256 neighbourhoods of a corner has up to four normals, whose lengths are areas; here in
eighths. Packages: surface-distance-based-measures==0.1 (Apache-2.0).
Command: python scripts/reference/export_surfels.py src/metrics/surfel_normals.cpp
"""

import sys

from surface_distance.lookup_tables import _NEIGHBOUR_CODE_TO_NORMALS as NORMALS

HEAD = """\
// Copyright 2018 Google Inc. All Rights Reserved.
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//      http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS-IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.
//
// Changed by medseg: the table of surface_distance/lookup_tables.py in eighths, as C++ (made by
// scripts/reference/export_surfels.py).
#include "surfel_normals.h"

namespace medseg {

// clang-format off
const std::array<SurfelNormals, 256> kSurfelNormals = {{
"""
lines = []
for code, normals in enumerate(NORMALS):
    flat = [int(round(8 * value)) for normal in normals for value in normal]
    assert [v / 8 for v in flat] == [v for n in normals for v in n], code
    assert len(flat) <= 12, code
    lines.append("    {{" + ", ".join(map(str, flat)) + "}},")
tail = "\n}};\n// clang-format on\n\n}  // namespace medseg\n"
open(sys.argv[1], "w").write(HEAD + "\n".join(lines) + tail)
