"""Settings are read from the command line and a TOML file, and wrong ones are refused."""

import pytest

from bert_spark.cli.command_line import parse_job
from bert_spark.errors import ConfigError
from jobs import embed, train


def test_unknown_toml_key_is_refused_with_the_known_keys(tmp_path, caplog):
    (tmp_path / "x.toml").write_text('[encoder]\nmodle = "x"\n')
    assert embed.main(["--config", str(tmp_path / "x.toml")]) == 2
    assert "[encoder]: unknown ['modle']; known are ['model', 'revision', 'max_length'" in caplog.text


def test_unknown_option_raises_instead_of_ending_the_process():
    with pytest.raises(ConfigError, match="unrecognized arguments: --poling"):
        embed.embed(["--poling", "cls"])
    assert embed.main(["--format", "xls"]) == 2


def test_options_override_the_toml_file_and_the_file_overrides_defaults(tmp_path):
    (tmp_path / "x.toml").write_text("[encoder]\nmax_length = 9\npooling = 'mean'\n[spark]\n'spark.task.cpus' = 2\n")
    job = parse_job(embed.__file__, None, ["--config", str(tmp_path / "x.toml"), "--max-length", "7"])
    assert (job.encoder.max_length, job.encoder.pooling, job.encoder.long_text) == (7, "mean", "truncate")
    assert (job.name, job.check, job.spark) == ("embed", False, {"spark.task.cpus": "2"})


def test_a_setting_of_spark_needs_no_quotes(tmp_path):
    lines = ["[spark]", "spark.task.cpus = 2", "spark.speculation = true", "spark.jars = ['a', 'b']", "hive.x.y = 'z'"]
    (tmp_path / "x.toml").write_text("\n".join(lines))
    job = parse_job(embed.__file__, None, ["--config", str(tmp_path / "x.toml")])
    assert job.spark == {"spark.task.cpus": "2", "spark.speculation": "true", "spark.jars": "a,b", "hive.x.y": "z"}


def test_a_setting_that_spark_would_ignore_is_refused(tmp_path):
    (tmp_path / "x.toml").write_text("[spark]\ntask.cpus = 2")
    with pytest.raises(
        ConfigError, match=r"'task.cpus' is no setting of Spark; write the whole name, such as spark.task"
    ):
        parse_job(embed.__file__, None, ["--config", str(tmp_path / "x.toml")])


def test_relative_path_in_toml_starts_at_the_folder_of_the_file(tmp_path):
    (tmp_path / "x.toml").write_text('[input]\npath = "./tweets.csv"\n[encoder]\nprompt = "./"\n')
    job = parse_job(embed.__file__, None, ["--config", str(tmp_path / "x.toml")])
    assert (job.input.path, job.encoder.prompt) == (str(tmp_path / "tweets.csv"), "./")


@pytest.mark.parametrize(
    ("arguments", "sample"),
    [
        ([], True),
        (["--pooling", "mean", "--overwrite"], True),
        (["--input", "mine.csv"], False),
        (["--output", "mine"], False),  # else the sample would replace the rows that are there
        (["--config", "mine.toml"], False),
    ],
)
def test_the_sample_is_read_until_the_user_names_data(tmp_path, monkeypatch, arguments, sample):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("[encoder]\npooling = 'max'\n")
    job = parse_job(embed.__file__, None, arguments)
    assert str(job.input.path).endswith("conf/sample_tweets.csv") == sample
    assert str(job.output.path).endswith("output/embeddings") == sample


@pytest.mark.parametrize("option", ["--input", "--embeddings", "--output"])
def test_the_sample_is_not_trained_on_once_an_option_names_data(option):
    assert parse_job(train.__file__, None, [option, "mine"]).train.label_column == "label"
    assert parse_job(train.__file__, None, ["--scale"]).train.label_column == "sentiment"


def test_required_setting_is_refused_with_its_option(tmp_path):
    job = parse_job(train.__file__, None, ["--input", "tweets.csv"])
    with pytest.raises(ConfigError, match="--output is not set; pass it"):
        job.required("train.artefact", "--output")
