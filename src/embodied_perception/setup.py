"""Installs the package. Its version and description are those of package.xml."""

import xml.etree.ElementTree as ElementTree

from setuptools import find_packages, setup

manifest = ElementTree.parse("package.xml").getroot()  # noqa: S314
name = manifest.findtext("name")

setup(
    name=name,
    version=manifest.findtext("version"),
    description=manifest.findtext("description"),
    license=manifest.findtext("license"),
    packages=find_packages(),
    package_data={name: ["py.typed", "features/vocabulary.npz", "inference/builtin/*/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{name}"]),
        (f"share/{name}", ["package.xml"]),
    ],
    entry_points={
        "console_scripts": [
            "perception = embodied_perception.cli.main:main",
            "odometry_node = embodied_perception.ros.nodes:odometry",
            "camera_node = embodied_perception.ros.nodes:camera",
            "image_node = embodied_perception.ros.nodes:image",
            "segmentation_node = embodied_perception.ros.nodes:segmentation",
            "classification_node = embodied_perception.ros.nodes:classification",
            "open_vocabulary_node = embodied_perception.ros.nodes:open_vocabulary",
            "zero_shot_node = embodied_perception.ros.nodes:zero_shot",
            "stereo_check_node = embodied_perception.ros.nodes:stereo_check",
            "rgbd_check_node = embodied_perception.ros.nodes:rgbd_check",
            "perception_container = embodied_perception.ros.container:main",
        ],
    },
    zip_safe=False,
)
