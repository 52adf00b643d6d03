#!/usr/bin/env bash
# A MedSeg-QA of more than 10,000 image-mask pairs from packaged scans, by the template stage:
#
#   data/medseg-qa-source/manifest.jsonl   slices of scans with label volumes, without dialogues
#   data/medseg-qa/manifest.jsonl          implicit dialogues of several turns, and report.json
#
#   scripts/medseg_qa.sh [SEED]            SEED 0 unless given; the same seed gives the same bytes
#
# Colin27 in three planes (90 regions of the AAL atlas, brain) trains; a mean brain (MNI152) and two
# of the tumour scans validate or test. ASSETS and OUT name other folders.
set -euo pipefail
cd "$(dirname "$0")/.."
medseg=${MEDSEG:-${BUILD_DIR:-build}/medseg}
seed=${1:-0}
assets=$(realpath "${ASSETS:-data/assets}")
out=${OUT:-data/medseg-qa}
source=$out-source

say() { printf '\n== %s (%d s)\n' "$1" "$SECONDS" >&2; }

if [ ! -d "$assets/mricron-data" ] || [ ! -d "$assets/nilearn" ] ||
  [ ! -d "$assets/pyradiomics" ]; then
  say "packages with scans -> $assets"
  "$medseg" data demo --assets "$assets" --out data/demo
fi

mricron=$assets/mricron-data/usr/share/mricron/templates
nilearn=$assets/nilearn/nilearn/datasets/data/mni_icbm152
pyradiomics=$assets/pyradiomics/pyradiomics-3.0.1/data

# records NAME SUBJECT SPLIT WINDOW MODALITY IMAGE AXIS COUNT STEP SOURCE LICENCE < MASKS
# One record a slice, with a question that nobody answered. MASKS are JSON members of "masks", one a
# line, the same for every slice: the annotation leaves out what a slice does not show.
records() {
  awk -v name="$1" -v subject="$2" -v part="$3" -v window="$4" -v modality="$5" -v image="$6" \
    -v axis="$7" -v count="$8" -v step="$9" -v source="${10}" -v licence="${11}" '
    { masks = masks (NR > 1 ? ", " : "") $0 }
    END {
      for (i = 0; i < count; i += step)
        printf "{\"id\": \"%s-%d-%03d\", \"image\": \"%s\", \"slice\": {\"axis\": %d, " \
               "\"index\": %d}, \"modality\": \"%s\", \"subject\": \"%s\", \"split\": \"%s\", " \
               "\"window\": \"%s\", \"source\": \"%s, axis %d, slice %d\", \"licence\": \"%s\", " \
               "\"masks\": {%s}, \"conversations\": [{\"from\": \"human\", " \
               "\"value\": \"<image>\\nWhat does this slice show?\"}]}\n",
               name, axis, i, image, axis, i, modality, subject, part, window, source, axis, i,
               licence, masks
    }'
}

# The 90 cerebral regions of the AAL atlas under the names of configs/annotate/vocabulary.json.
atlas_masks() {
  awk -v file="$mricron/aal.nii.gz" -v brain="$mricron/ch2bet.nii.gz" '
    BEGIN {
      split("Precentral=precentral gyrus,Postcentral=postcentral gyrus," \
            "Frontal_Sup=superior frontal gyrus,Frontal_Mid=middle frontal gyrus," \
            "Frontal_Inf_Oper=inferior frontal opercular part," \
            "Frontal_Inf_Tri=inferior frontal triangular part," \
            "Frontal_Inf_Orb=inferior frontal orbital part,Rolandic_Oper=Rolandic operculum," \
            "Frontal_Sup_Orb=superior orbital frontal gyrus," \
            "Frontal_Mid_Orb=middle orbital frontal gyrus," \
            "Frontal_Sup_Medial=medial superior frontal gyrus," \
            "Frontal_Med_Orb=medial orbital frontal gyrus," \
            "Supp_Motor_Area=supplementary motor area,Olfactory=olfactory cortex," \
            "Rectus=gyrus rectus,Insula=insula,Cingulum_Ant=anterior cingulate," \
            "Cingulum_Mid=middle cingulate,Cingulum_Post=posterior cingulate," \
            "Hippocampus=hippocampus,ParaHippocampal=parahippocampal gyrus,Amygdala=amygdala," \
            "Calcarine=calcarine cortex,Cuneus=cuneus,Lingual=lingual gyrus," \
            "Occipital_Sup=superior occipital gyrus,Occipital_Mid=middle occipital gyrus," \
            "Occipital_Inf=inferior occipital gyrus,Fusiform=fusiform gyrus," \
            "Parietal_Sup=superior parietal lobule,Parietal_Inf=inferior parietal lobule," \
            "SupraMarginal=supramarginal gyrus,Angular=angular gyrus,Precuneus=precuneus," \
            "Paracentral_Lobule=paracentral lobule,Caudate=caudate,Putamen=putamen," \
            "Pallidum=pallidum,Thalamus=thalamus,Heschl=Heschl\x27s gyrus," \
            "Temporal_Sup=superior temporal gyrus,Temporal_Pole_Sup=superior temporal pole," \
            "Temporal_Mid=middle temporal gyrus,Temporal_Pole_Mid=middle temporal pole," \
            "Temporal_Inf=inferior temporal gyrus", pairs, ",")
      for (i in pairs) { split(pairs[i], pair, "="); name[pair[1]] = pair[2] }
    }
    {
      base = substr($2, 1, length($2) - 2)
      side = substr($2, length($2)) == "L" ? "left" : "right"
      if ($2 ~ /_[LR]$/ && base in name)
        printf "\"a%d\": {\"label\": \"%s %s\", \"file\": \"%s\", \"value\": %d, " \
               "\"kind\": \"atlas\"}\n", $1, side, name[base], file, $1
    }
    END {
      printf "\"brain\": {\"label\": \"brain\", \"file\": \"%s\", \"threshold\": 0, " \
             "\"kind\": \"rule\"}\n", brain
    }' "$mricron/aal.nii.txt"
}

tissue_masks() {
  local kind='"threshold": 127, "kind": "probability"'
  printf '"gm": {"label": "grey matter", "file": "%s", %s}\n' \
    "${nilearn}_gm_tal_nlin_sym_09a_converted.nii.gz" "$kind"
  printf '"wm": {"label": "white matter", "file": "%s", %s}\n' \
    "${nilearn}_wm_tal_nlin_sym_09a_converted.nii.gz" "$kind"
}

tumour_mask() { # FILE LABEL
  printf '"t": {"label": "%s", "file": "%s", "value": 1, "kind": "shipped"}\n' "$2" "$1"
}

say "slices of scans -> $source/manifest.jsonl"
mkdir -p "$source"
{
  colin="ch2.nii.gz with aal.nii.gz of Debian package mricron-data 1.2.20211006+dfsg-4"
  axis=0
  for count in 181 217 181; do
    atlas_masks | records colin colin27 train "mr-percentile(10, 188)" mr "$mricron/ch2.nii.gz" \
      $axis $count 1 "$colin" BSD-3-Clause
    axis=$((axis + 1))
  done
  mni="mni_icbm152 nonlinear symmetric 2009a of PyPI package nilearn 0.14.1"
  tissue_masks | records mni mni152 val "mr-percentile(64, 234)" mr \
    "${nilearn}_t1_tal_nlin_sym_09a_converted.nii.gz" 2 189 1 "$mni" \
    "BSD-3-Clause (of the package; template: not stated)"
  licence="BSD-3-Clause (of the package; origin of the picture not stated)"
  while read -r scan split count modality window label; do
    tumour_mask "$pyradiomics/${scan}_label.nrrd" "$label" |
      records "$scan" "pyradiomics-$scan" "$split" "$window" "$modality" \
        "$pyradiomics/${scan}_image.nrrd" 2 "$count" 1 \
        "${scan}_image.nrrd of PyPI package pyradiomics 3.0.1" "$licence"
  done <<'SCANS'
brain1 train 25 mr mr-percentile(5,1794) brain tumour
brain2 test 23 mr mr-percentile(1,1058) brain tumour
lung1 test 48 ct ct-thorax(-1000,600) lung tumour
lung2 train 61 ct ct-thorax(-1000,600) lung tumour
SCANS
} | sed "s|$assets/|$(realpath --relative-to="$source" "$assets")/|g" >"$source/manifest.jsonl"

say "dialogues -> $out"
"$medseg" data annotate "$source/manifest.jsonl" --out "$out" --templates --seed "$seed"
say "doctor"
"$medseg" data doctor "$out/manifest.jsonl"
say "done"
