"""The table of features and the line of positions, of numbers made up."""

from gyrax.report.features import feature_table, position_line


def test_feature_table_says_by_how_much_the_model_is_off():
    scores = lambda first, last, mean: {
        "feature_rmse": [first, 9.0, last],
        "feature_rmse_mean": mean,
    }
    gap = {
        "feature_rmse_mean": -0.1,
        "feature_rmse_mean_low": -0.25,
        "feature_rmse_mean_high": 0.05,
    }
    block = {
        "horizon": [1, 2, 3],
        "feature_gru": scores(0.15, 0.4, 0.3),
        "model": scores(0.1, 0.3, 0.2),
        "differences": {"feature_gru": gap},
    }
    head, rows = feature_table(block)
    assert head[1:4] == ["1", "3", "1 to 3"]
    assert rows == [
        ["model", "0.1000", "0.3000", "0.2000", ""],
        ["feature gru", "0.1500", "0.4000", "0.3000", "-0.1000 [-0.2500, +0.0500]"],
    ]


def test_position_line_names_every_position():
    found = {"encoded": 0.25, "frames": [1, 7], "forecast": [0.5, 1.0]}
    line = position_line({"position_error_cm": {"cube_pose": found, "hand": found}})
    assert "cube pose 0.25 encoded, 0.5 / 1 at frame 1 / 7; hand" in line
