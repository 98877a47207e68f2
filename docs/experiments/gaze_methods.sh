#!/bin/sh
# Train and test the gaze recipes on one cohort; see gaze_methods.md. What is there is not done again.
#
#     docs/experiments/gaze_methods.sh COHORT_FOLDER OUT_FOLDER
set -eu
cohort=$1
out=$2
settings=docs/experiments/gaze_methods.yaml

train() {
    recipe=$1
    shift
    sightline train -q --resume -c "$settings" -c "$recipe" "data.cohort=$cohort" "data.preprocessing.channels=1" \
        "model.width=16" --out "$out/$recipe" "$@"
}

for recipe in egd-classifier egd-unet mt-unet inception-resnet-v2 \
    heatmap-generator-1-gbp heatmap-generator-1-deconvnet heatmap-generator-2-gbp heatmap-generator-2-deconvnet \
    heatmap-generator-3-gbp heatmap-generator-3-deconvnet; do
    train "$recipe" model.in_channels=1
done
# the networks that read gaze have its channels behind that of the image
train gaze-gnn model.in_channels=2
train egd-temporal model.in_channels=11 'model.options={image_channels: 1}'
# in stages
train densenet201 model.in_channels=1 stages.classification.epochs=10
train densenet201-contrastive model.in_channels=1 stages.contrastive.epochs=5 stages.classification.epochs=5
train unet-s model.in_channels=1 stages.saliency.epochs=10 stages.classification.epochs=5
train res-se-unet model.in_channels=1 stages.saliency.epochs=10 stages.classification.epochs=5
train dual-encoder model.in_channels=1 stages.contrastive.epochs=5 stages.classification.epochs=5 \
    stages.saliency.epochs=10 stages.fusion.epochs=5
sightline evaluate -q "$out"/* --split test --bias on
