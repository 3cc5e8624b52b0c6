"""A Cinder volume driver that stores volumes in sparse files: it needs no device mapper, no NFS and no root."""

import os

from cinder.volume import driver


class FileDriver(driver.VolumeDriver):
    VERSION = "1.0"
    SUPPORTED = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._directory = os.environ["CLOUD"] + "/volumes"

    def check_for_setup_error(self):
        os.makedirs(self._directory, exist_ok=True)

    def create_volume(self, volume):
        with open(self._path(volume), "wb") as file:
            file.truncate(volume.size * 1024**3)

    def delete_volume(self, volume):
        if os.path.exists(self._path(volume)):
            os.remove(self._path(volume))

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        return {}, False

    def copy_image_to_volume(self, context, volume, image_service, image_id, disable_sparse=False):
        with open(self._path(volume), "r+b") as file:
            image_service.download(context, image_id, file)

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector=None):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector, **kwargs):
        return {"driver_volume_type": "local", "data": {"device_path": self._path(volume)}}

    def terminate_connection(self, volume, connector, **kwargs):
        pass

    def _update_volume_stats(self):
        self._stats = {
            "volume_backend_name": "files",
            "vendor_name": "files",
            "driver_version": self.VERSION,
            "storage_protocol": "file",
            "total_capacity_gb": "infinite",
            "free_capacity_gb": "infinite",
        }

    def _path(self, volume):
        return os.path.join(self._directory, volume.name)
