# medseg in a container: built on Debian 12, run on a bare one. No GPU.
#
#   docker build -t medseg .
#   docker run --rm -v "$PWD:/data" -w /data medseg predict --model BUNDLE --image F --ask TEXT \
#     --out DIR
#
# medseg.def is the same for Apptainer. Neither has been built where this file was written: there
# was no container engine.
FROM debian:bookworm AS build
COPY . /medseg
WORKDIR /medseg
RUN scripts/setup.sh \
 && scripts/build.sh medseg \
 && cmake --install build --prefix /opt/medseg --strip

FROM debian:bookworm-slim
COPY --from=build /opt/medseg /opt/medseg
RUN xargs -a /opt/medseg/share/medseg/debian-packages.txt \
      sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' install \
 && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["/opt/medseg/bin/medseg"]
