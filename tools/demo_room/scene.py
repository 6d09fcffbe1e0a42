"""A built world as a MuJoCo model: one mesh geom a part, a few lamps, no physics."""

from __future__ import annotations

import mujoco
import numpy as np

from demo_room.parts import Part

#: Clipping planes in metres (the model's extent is set to 1).
NEAR_M, FAR_M = 0.05, 20.0


def compile_scene(
    parts: list[Part],
    size_xyz: tuple[float, float, float],
    vertical_fov_deg: float,
    largest_wh: tuple[int, int],
) -> mujoco.MjModel:
    """Return the model; geom i is ``parts[i]`` and camera 0 is free to be moved.

    ``largest_wh`` is the largest picture that will be drawn.
    """
    spec = mujoco.MjSpec()
    spec.stat.extent = 1.0
    spec.stat.center = (0, 0, 0)
    spec.visual.map.znear, spec.visual.map.zfar = NEAR_M, FAR_M
    spec.visual.quality.shadowsize = 4096
    spec.visual.quality.offsamples = 0
    spec.visual.global_.offwidth, spec.visual.global_.offheight = largest_wh
    spec.visual.headlight.ambient = (0.46, 0.46, 0.47)
    spec.visual.headlight.diffuse = (0.1, 0.1, 0.1)
    spec.visual.headlight.specular = (0, 0, 0)
    _add_lights(spec, size_xyz)
    textures: dict[int, str] = {}
    for i, piece in enumerate(parts):
        texture = textures.get(id(piece.image_rgb))
        if texture is None:
            texture = textures[id(piece.image_rgb)] = f"texture_{i}"
            _add_texture(spec, texture, piece.image_rgb)
        material = spec.add_material(
            name=f"material_{i}", specular=piece.shine, shininess=0.7, emission=piece.glow
        )
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = texture
        mesh = spec.add_mesh(name=f"mesh_{i}", inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
        mesh.uservert = piece.mesh.vertices.astype(np.float32).ravel()
        mesh.usernormal = piece.mesh.normals.astype(np.float32).ravel()
        mesh.usertexcoord = piece.mesh.uv.astype(np.float32).ravel()
        mesh.userface = piece.mesh.faces.astype(np.int32).ravel()
        geom = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname=f"mesh_{i}")
        geom.material = f"material_{i}"
        geom.contype = geom.conaffinity = 0
    spec.worldbody.add_camera(name="camera", fovy=vertical_fov_deg)
    return spec.compile()


def _add_texture(spec: mujoco.MjSpec, name: str, image_rgb: np.ndarray) -> None:
    height, width = image_rgb.shape[:2]
    texture = spec.add_texture(
        name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=width, height=height, nchannel=3
    )
    texture.data = np.ascontiguousarray(image_rgb).tobytes()


def _add_lights(spec: mujoco.MjSpec, size_xyz: tuple[float, float, float]) -> None:
    """Make a ceiling lamp that casts shadows, and two weak ones that soften the rest."""
    wide, deep, high = size_xyz
    spec.worldbody.add_light(
        name="ceiling",
        type=mujoco.mjtLightType.mjLIGHT_SPOT,
        pos=(0.15, 0.1, high - 0.06),
        dir=(0, 0, -1),
        cutoff=80,
        exponent=0.6,
        attenuation=(0.75, 0.0, 0.1),
        diffuse=(0.72, 0.69, 0.62),
        specular=(0.5, 0.5, 0.45),
        castshadow=True,
    )
    for x, y, warmth in (
        (-wide / 4, deep / 4, (0.34, 0.3, 0.25)),
        (wide / 4, -deep / 4, (0.26, 0.3, 0.34)),
    ):
        spec.worldbody.add_light(
            type=mujoco.mjtLightType.mjLIGHT_POINT,
            pos=(x, y, 1.7),
            attenuation=(0.8, 0.1, 0.1),
            diffuse=warmth,
            specular=(0.15, 0.15, 0.15),
            castshadow=False,
        )
