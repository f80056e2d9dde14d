#!/bin/sh
# Runs as root inside the new image, after the packages are installed.
set -eu
groupadd --gid 10001 agent
useradd --uid 10001 --gid 10001 --home-dir /home/agent --no-create-home --shell /bin/bash agent
install -d -o 10001 -g 10001 -m 0755 /workspace /home/agent
# A new volume mounted here is born with these folders and their owner: upper and work folder of an overlay.
install -d -o 10001 -g 10001 -m 0755 /opt/pullwright/layer /opt/pullwright/layer/upper /opt/pullwright/layer/work
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/*
