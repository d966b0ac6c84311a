"""The Hugging Face Hub, as a place to put an exported model (extra `hub`)."""

import importlib
from pathlib import Path

from gyrax._errors import InputError


class Hub:
    """One repository of models. A new one is made private."""

    def __init__(self, name: str):
        """Raises `InputError` where `huggingface_hub` is not installed, or `name` names no repository."""
        try:
            library = importlib.import_module("huggingface_hub")
            validate = importlib.import_module("huggingface_hub.utils").validate_repo_id
        except ImportError:
            raise InputError(
                "--push: huggingface_hub is not installed; pip install 'gyrax[hub]', or leave it out."
            ) from None
        try:
            validate(name)
        except ValueError as error:
            raise InputError(
                f"--push is {name!r}, not a repository's name ({str(error).splitlines()[0]}); give "
                "OWNER/NAME."
            ) from None
        self.name, self.api = name, library.HfApi()

    def push(self, folder: Path) -> str:
        """Upload a folder's files; the repository's address.

        Raises `InputError` where that fails, for want of a network or of a token.
        """
        try:
            address = self.api.create_repo(self.name, private=True, exist_ok=True)
            self.api.upload_folder(repo_id=self.name, folder_path=folder)
        except Exception as error:  # of the network and of the service, none in common
            reason = f"{type(error).__name__}: {error}".split("\n")[0][:160]
            raise InputError(
                f"--push {self.name}: failed ({reason}); {folder} is written: log in with `hf auth login` "
                f"and upload it with `hf upload {self.name} {folder}`."
            ) from None
        return str(address)
