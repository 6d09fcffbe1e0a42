# The stack on ROS 2 Jazzy for x86-64, without a GPU.
#
#   docker build -f docker/x86.Dockerfile -t embodied_perception:x86 .
#
# For segmentation and classification, which need PyTorch (some gigabytes):
#
#   docker build -f docker/x86.Dockerfile -t embodied_perception:x86 \
#     --build-arg MODELS='torch>=2.6 transformers>=5 safetensors' .
#
#   docker run --rm -it --network host embodied_perception:x86 \
#     ros2 launch embodied_perception_bringup odometry.launch.py
FROM ros:jazzy-ros-base-noble

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /workspace

# The packages of a ROS release move together; pinning them here would only break with the next.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-pip \
    && rm -rf /var/lib/apt/lists/*

COPY src src
# RViz is for the machine with the screen.
# Ubuntu keeps pip out of the system's Python unless told; a container has no other.
ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1
ARG MODELS=""
RUN apt-get update \
    && rosdep update --rosdistro "$ROS_DISTRO" \
    && rosdep install --from-paths src --ignore-src --default-yes --dependency-types exec \
        --dependency-types build --dependency-types buildtool --skip-keys rviz2 \
    && read -r -a models <<< "$MODELS" \
    && pip install 'av>=12' 'evo>=1.31' 'mcap>=1.2' "${models[@]}" \
    && rm -rf /var/lib/apt/lists/* /root/.ros

COPY launch launch
COPY config config
COPY colcon.meta .
RUN . "/opt/ros/$ROS_DISTRO/setup.bash" \
    && colcon build --base-paths src --merge-install --install-base /opt/embodied_perception \
    && rm -rf build log \
    && sed --in-place --expression \
        '/^exec/i source /opt/embodied_perception/setup.bash' /ros_entrypoint.sh

# The base image's own user, ubuntu.
USER 1000
WORKDIR /home/ubuntu
CMD ["bash"]
