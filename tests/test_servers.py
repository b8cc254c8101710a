"""The test servers do what they say, asked by the real clients."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.servers import llm
from tests.servers.hub import HubFault, HubServer
from tests.servers.llm import Fault, LlmServer

TEXT = "Keep ⟦0⟧ and 3.5 kg:\n- one `x = 1`\n- two people walked through the old city before breakfast"
TAGGED = f"<instruction>{TEXT}</instruction>\n<response-1a2b>Say <input>nothing</input> else</response-1a2b>"


async def ask(server: LlmServer, text: str, lang: str = "Korean (ko)", **options: Any) -> str | None:
    messages: Any = [
        {"role": "system", "content": f"You translate.\nTarget language: {lang}"},
        {"role": "user", "content": text},
    ]
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="key", max_retries=0) as client:
        completion = await client.chat.completions.create(model="m", messages=messages, **options)
    assert completion.usage is not None and completion.usage.completion_tokens > 0
    content: str | None = completion.choices[0].message.content
    return content


def outcome(work: Coroutine[Any, Any, str | None]) -> str | None:
    """The answer, or what the client raises: the name of the exception, its HTTP status, its code."""
    try:
        return asyncio.run(work)
    except openai.APIStatusError as error:
        return f"{type(error).__name__} {error.status_code} {error.code}"
    except (openai.APIConnectionError, json.JSONDecodeError) as error:
        return type(error).__name__


# --- the LLM server --------------------------------------------------------------------------------------------------


def test_answer_has_the_same_tags_and_keeps_what_is_no_word() -> None:
    with LlmServer() as server:
        answer = outcome(ask(server, TAGGED)) or ""
        assert outcome(ask(server, TAGGED)) == answer
        assert outcome(ask(server, TAGGED.replace("two", "ten"))) != answer
    tags = [tag for tag, _ in llm.segments(server.requests[0])]
    assert tags == ["instruction", "response-1a2b"]
    assert [name + suffix for name, suffix, _ in llm.SEGMENT.findall(answer)] == tags
    for kept in ("⟦0⟧", "3.5", ":\n- ", "`x = 1`", "<input>", "</input>"):
        assert kept in answer
    assert [request.attempt for request in server.requests] == [0, 1, 0]


def test_message_without_tags_is_answered_by_its_translation_alone() -> None:
    with LlmServer() as server:
        assert outcome(ask(server, TEXT)) == llm.translate(TEXT, "ko")


@pytest.mark.parametrize("lang", llm.WORDS)
def test_translation_keeps_lines_and_about_the_length(lang: str) -> None:
    translated = llm.translate(TEXT, lang)
    assert translated != TEXT
    assert translated.count("\n") == TEXT.count("\n")
    assert 0.4 <= len(translated) / len(TEXT) <= 2.5


def test_request_without_target_language_is_refused() -> None:
    with LlmServer() as server:
        assert outcome(ask(server, TEXT, "Klingon (tlh)")) == "BadRequestError 400 None"


def test_answer_is_cut_at_max_tokens() -> None:
    with LlmServer() as server:
        assert len((outcome(ask(server, TEXT, max_tokens=5)) or "").encode()) <= 20


def test_wrong_key_is_401_and_the_models_are_listed() -> None:
    with LlmServer(api_key="other") as server:
        assert outcome(ask(server, TEXT)) == "AuthenticationError 401 invalid_api_key"
        client = openai.OpenAI(base_url=server.base_url, api_key="other", max_retries=0)
        with client:
            assert [model.id for model in client.models.list()] == ["pseudo-translator"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (llm.rate_limited(retry_after_s=2), "RateLimitError 429 rate_limit_exceeded"),
        (llm.quota_exhausted(), "RateLimitError 429 insufficient_quota"),
        (llm.unauthorized(), "AuthenticationError 401 invalid_api_key"),
        (llm.model_not_found(), "NotFoundError 404 model_not_found"),
        (llm.context_too_long(), "BadRequestError 400 context_length_exceeded"),
        (llm.prompt_filtered(), "BadRequestError 400 content_filter"),
        (llm.server_error(), "InternalServerError 500 None"),
        (llm.html_page(), "InternalServerError 502 None"),
        (llm.dropped(), "APIConnectionError"),
        (llm.dropped_mid_body(), "APIConnectionError"),
        (llm.broken_json(), "JSONDecodeError"),
        (llm.empty_body(), "JSONDecodeError"),
    ],
)
def test_fault_reaches_the_client_as_the_error_it_names(fault: Fault, expected: str) -> None:
    with LlmServer([llm.first(1, fault)]) as server:
        assert outcome(ask(server, TEXT)) == expected
        assert outcome(ask(server, TEXT)) == llm.translate(TEXT, "ko")


@pytest.mark.parametrize(
    ("fault", "is_expected"),
    [
        (llm.echo(), lambda answer, usual: TEXT in answer),
        (llm.cut_off(), lambda answer, usual: answer and usual.startswith(answer)),
        (llm.filtered(), lambda answer, usual: answer == ""),
        (llm.empty_content(), lambda answer, usual: answer == ""),
        (llm.missing_tag(), lambda answer, usual: "</instruction>" in answer and "response" not in answer),
        (llm.swapped_tags(), lambda answer, usual: answer.startswith("<response-1a2b>")),
        (llm.chatter(), lambda answer, usual: usual in answer and answer.startswith("Sure")),
        (llm.lost_sentinel(), lambda answer, usual: answer == usual.replace("⟦0⟧", "")),
        (llm.looping(), lambda answer, usual: len(answer) > 2 * len(usual)),
        (llm.speaking("fi"), lambda answer, usual: llm.translate(TEXT, "fi") in answer),
        (llm.refusal(), lambda answer, usual: answer.startswith("I'm sorry")),
    ],
)
def test_fault_changes_the_answer_as_it_says(fault: Fault, is_expected: Callable[[str, str], bool]) -> None:
    with LlmServer([llm.nth(1, fault)]) as server:
        usual, answer = outcome(ask(server, TAGGED)), outcome(ask(server, TAGGED))
    assert is_expected(answer or "", usual or "")


def test_faults_strike_the_requests_they_are_built_for() -> None:
    fault = llm.server_error()
    struck = {"every": llm.every(2, fault), "attempts": llm.attempts(1, fault), "share": llm.share(0.5, fault)}
    with LlmServer() as server:

        def statuses(name: str, n: int) -> list[int | None]:
            server.faults = [struck[name]]
            for i in range(n):
                outcome(ask(server, f"{name} text number {i // 2}"))
            return [request.status for request in server.requests[-n:]]

        assert statuses("every", 4) == [200, 500, 200, 500]
        assert statuses("attempts", 4) == [500, 200, 500, 200]
        assert {200, 500} == set(statuses("share", 12))


def test_sliding_window_admits_its_limit_and_says_when_to_return() -> None:
    with LlmServer([llm.sliding_window(2, window_s=60)]) as server:
        answers = [outcome(ask(server, TEXT)) for _ in range(3)]
        assert answers[2] == "RateLimitError 429 rate_limit_exceeded"
        reply = server.faults[0](server.requests[-1])
    assert reply is not None and 50 < float(reply.headers["Retry-After"]) <= 60


def test_held_requests_arrive_and_are_answered_on_release(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"

    async def sixty_four(server: LlmServer) -> list[str | None]:
        asked = [asyncio.create_task(ask(server, f"Text number {i}")) for i in range(64)]
        await asyncio.to_thread(server.wait_for, 64)
        assert not any(task.done() for task in asked)
        assert len(log.read_text().splitlines()) == 64
        server.release()
        return await asyncio.gather(*asked)

    with LlmServer(log_path=log) as server:
        server.hold()
        assert all(asyncio.run(sixty_four(server)))
        assert server.max_in_flight == 64
        assert {request.status for request in server.requests} == {200}


def test_server_runs_as_a_command() -> None:
    command = [sys.executable, "-m", "tests.servers.llm"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.kill()


# --- the Hub server --------------------------------------------------------------------------------------------------

PUBLISH_AND_READ = """
import json, pathlib, sys
from huggingface_hub import HfApi, errors
import datasets
import pyarrow as pa, pyarrow.parquet as pq

datasets.disable_progress_bars()
folder = pathlib.Path(sys.argv[1])
(folder / "ko").mkdir(parents=True)
pq.write_table(pa.table({"id": list(range(100)), "text": [f"{i}번" for i in range(100)]}), folder / "ko/train.parquet")
front = "---\\nconfigs:\\n- config_name: ko\\n  data_files: ko/*.parquet\\n---\\n# corpus\\n"
(folder / "README.md").write_text(front)

api, repo = HfApi(), {"repo_id": "tester/corpus", "repo_type": "dataset"}
seen = {}

def status(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except errors.HfHubHTTPError as error:
        return [type(error).__name__, error.response.status_code]

seen["absent"] = status(api.repo_info, **repo)
api.create_repo(**repo, visibility="private")
seen["exists"] = status(api.create_repo, **repo)
seen["struck"] = status(api.upload_folder, **repo, folder_path=folder)
first = api.upload_folder(**repo, folder_path=folder)
seen["unchanged"] = api.upload_folder(**repo, folder_path=folder).oid == first.oid
api.create_tag(**repo, tag="v1")
pull_request = api.upload_file(**repo, path_in_repo="a/b.txt", path_or_fileobj=b"b", create_pr=True)
second = api.upload_file(**repo, path_in_repo="c.txt", path_or_fileobj=b"c")
late = {"path_in_repo": "d.txt", "path_or_fileobj": b"d", "parent_commit": first.oid}
seen["behind"] = status(api.upload_file, **repo, **late)
seen["lost"] = status(api.create_branch, **repo, branch="next")
seen["branches"] = sorted(ref.name for ref in api.list_repo_refs(**repo).branches)
seen["files"] = [api.list_repo_files(**repo, revision=name) for name in ("v1", pull_request.pr_revision, "main")]
seen["paths"] = [item.path for item in api.get_paths_info(**repo, paths=["c.txt", "ko", "nothing"])]
seen["no revision"] = status(api.repo_info, **repo, revision="v9")
seen["no entry"] = status(api.hf_hub_download, **repo, filename="e.txt")
seen["anonymous"] = status(HfApi(token=False).repo_info, **repo)
seen["bad token"] = status(HfApi(token="hf_bad").whoami)
seen["read token"] = status(HfApi(token="hf_read").upload_file, **repo, path_in_repo="e", path_or_fileobj=b"e")
seen["commits"] = [commit.title[:6] for commit in api.list_repo_commits(**repo)][-1:]
rows = datasets.load_dataset("tester/corpus", "ko", split="train")
seen["rows"] = [len(rows), rows[7]["text"]]
rows.select(range(3)).push_to_hub("tester/pushed", "ko")
seen["pushed"] = len(datasets.load_dataset("tester/pushed", "ko", split="train"))
api.delete_repo(**repo)
seen["deleted"] = status(api.delete_repo, **repo)
print(json.dumps(seen))
"""


def test_hub_serves_the_real_clients(tmp_path: Path) -> None:
    """One process for all of it: importing datasets is most of the time."""
    with HubServer() as hub:
        hub.faults.append(HubFault("POST", "/commit/", 503, times=1))
        hub.faults.append(HubFault("POST", "/branch/", 504, times=1, after=True))
        environment = {**os.environ, **hub.environment(tmp_path / "hf")}
        command = [sys.executable, "-c", PUBLISH_AND_READ, str(tmp_path / "dist")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert sorted(hub.files("tester/pushed")) == [".gitattributes", "README.md", "ko/train-00000-of-00001.parquet"]
    assert json.loads(done.stdout) == {
        "absent": ["RepositoryNotFoundError", 404],
        "exists": ["HfHubHTTPError", 409],
        "struck": ["HfHubHTTPError", 503],
        "unchanged": True,
        "behind": ["HfHubHTTPError", 412],
        "lost": ["HfHubHTTPError", 504],
        "branches": ["main", "next"],
        "files": [
            [".gitattributes", "README.md", "ko/train.parquet"],
            [".gitattributes", "README.md", "a/b.txt", "ko/train.parquet"],
            [".gitattributes", "README.md", "c.txt", "ko/train.parquet"],
        ],
        "paths": ["c.txt", "ko"],
        "no revision": ["RevisionNotFoundError", 404],
        "no entry": ["RemoteEntryNotFoundError", 404],
        "anonymous": ["RepositoryNotFoundError", 401],
        "bad token": ["HfHubHTTPError", 401],
        "read token": ["HfHubHTTPError", 403],
        "commits": ["initia"],
        "rows": [100, "7번"],
        "pushed": 3,
        "deleted": ["RepositoryNotFoundError", 404],
    }
    uploads = [request for request in hub.requests if request.method == "PUT"]
    assert [request.status for request in uploads] == [200, 200]
    assert all(request.n_bytes > 500 for request in uploads)
