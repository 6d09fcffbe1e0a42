# The stack on ROS 2 Humble for Jetson Orin (JetPack 6, L4T R36), with the GPU's libraries.
# Build and run on the Jetson, whose Docker has the nvidia runtime:
#
#   docker build -f docker/jetson.Dockerfile -t embodied_perception:jetson .
#   docker run --rm -it --runtime nvidia --network host embodied_perception:jetson \
#     ros2 launch embodied_perception_bringup odometry.launch.py
FROM dustynv/ros:humble-ros-base-l4t-r36.3.0

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /workspace

# This ROS is built from source: it lies in /opt/ros/humble/install, and apt does not know it.
# What it lacks is therefore compiled beside the stack. OpenCV is the image's own.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1001 --groups video robot \
    && chown robot /workspace

COPY --chown=robot . .
USER 1001
# ./run builds the workspace on the sourced ROS, the underlay where it is lacking included.
RUN . /opt/ros/humble/install/setup.bash && ./run setup

ENTRYPOINT ["/bin/bash", "-c", "source /opt/ros/humble/install/setup.bash && exec ./run shell -c \"$*\"", "--"]
CMD ["bash"]
