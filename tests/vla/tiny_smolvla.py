"""Builds SmolVLA with a vision-language model of some hundred thousand parameters, offline."""

import string

import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.smolvla.configuration_smolvla import SmolVLAConfig
from lerobot.policies.smolvla.modeling_smolvla import SmolVLAPolicy
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    SmolVLMConfig,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

SPECIAL = {
    "fake_image_token": "<fake_token_around_image>",
    "image_token": "<image>",
    "global_image_token": "<global-img>",
    "end_of_utterance_token": "<end_of_utterance>",
}
CAMERAS = ("observation.images.camera1", "observation.images.camera2", "observation.images.camera3")


def save_vlm(folder):
    """Configuration and processor of a vision-language model: a tokenizer of single characters."""
    words = ["<pad>", "<unk>", *SPECIAL.values(), *string.ascii_letters, *" .\n"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens=SPECIAL,
    )
    SmolVLMProcessor(
        SmolVLMImageProcessor(), fast, SmolVLMVideoProcessor(), chat_template="{{ messages }}"
    ).save_pretrained(folder)
    SmolVLMConfig(
        image_token_id=words.index("<image>"),
        pad_token_id=0,
        scale_factor=2,
        vision_config=dict(
            hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            image_size=64, patch_size=16,
        ),
        text_config=dict(
            model_type="llama", vocab_size=len(words), hidden_size=64, intermediate_size=128,
            num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
            pad_token_id=0,
        ),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_tiny(folder):
    """A SmolVLA of random weights, saved as the package saves one."""
    torch.manual_seed(0)
    image = PolicyFeature(FeatureType.VISUAL, (3, 96, 128))
    config = SmolVLAConfig(
        vlm_model_name=str(save_vlm(folder / "vlm")),
        input_features={
            "observation.state": PolicyFeature(FeatureType.STATE, (6,)),
            **dict.fromkeys(CAMERAS, image),
        },
        output_features={"action": PolicyFeature(FeatureType.ACTION, (6,))},
        resize_imgs_with_padding=(64, 64),
        num_vlm_layers=4,
        chunk_size=10,
        n_action_steps=10,
        num_steps=3,
        device="cpu",
    )
    policy = SmolVLAPolicy(config)
    policy.save_pretrained(folder / "policy")
    return folder / "policy"
