"""Bring the stack up in containers, or say that it is up."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.api_key import read_api_key
from deploy.docker.asking import ask, expects_stories, wait_for_question
from deploy.docker.containers import compare
from deploy.docker.engine import StackFailed, run_docker
from deploy.docker.environment import env_text, stack_variables
from deploy.docker.facts import stack_facts
from deploy.docker.host_settings import host_setting_problems
from deploy.docker.images import build_images, missing_images, pull_images, wanted_state
from deploy.docker.layout import Layout
from deploy.docker.lock import only_one_start
from deploy.docker.memory import megabytes, needed_memory
from deploy.docker.model_pull import pull_model, wait_for_model
from deploy.docker.options import Choice, Options, choose, wanted_scale
from deploy.docker.preflight import find_tools, override_problems, refuse, stack_problems
from deploy.docker.project import Project, open_compose, read_json, write_json
from deploy.docker.secret_files import choose_owner, write_secrets
from deploy.docker.settings_check import check_settings
from deploy.docker.staged_start import StagedStart
from deploy.docker.summary import summary
from deploy.env_file import data_dir
from deploy.http_client import HttpClient
from deploy.paths import ROOT, display_path


def start(options: Options, settings: Mapping[str, str]) -> None:
    """``settings``: the environment, over ``.env``.

    :raises ConfigurationError: nothing was started, and why.
    :raises StackFailed: it came up halfway, and what has failed; what runs is left as it is."""
    layout = Layout(data_dir(settings))
    with only_one_start(layout.lock, say):
        _Start(options, settings, layout).run()


class _Start:
    def __init__(self, options: Options, settings: Mapping[str, str], layout: Layout) -> None:
        self._begun = time.monotonic()
        self._settings = settings
        self._layout = layout
        self._earlier = read_json(layout.facts)
        self._options = options.over(self._earlier.get("options", {}))
        self._scale = wanted_scale(self._options)
        self._owner = (0, 0)

    def run(self) -> None:
        refuse([*override_problems(self._options.overrides), *host_setting_problems(self._settings)])
        self._engine, self._program = find_tools()
        self._owner = choose_owner(self._layout)
        choice, project, model = self._decide()
        say(
            f"Docker {self._engine.version} ({self._engine.cores} cores, {megabytes(self._engine.memory)}),"
            f" Compose {self._program.version}."
        )
        say(f"Profiles: {', '.join(choice.profiles) or 'none'} ({choice.why}); LLM={choice.llm}.")
        first = not self._layout.built.exists()
        refuse(stack_problems(self._engine, model, choice, self._scale, self._settings, build=first))
        self._prepare(project, model)
        running = bool(self._earlier) and bool(project.containers())
        source, why = (running and self._source_of_running()) or _checked(project)
        project, model = self._settle(choice, project, source)
        difference = compare(
            project.containers(), wanted_state(project.compose, model), self._scale_of(model)
        )
        facts = self._earlier
        if running and not difference:
            say(f"Already running ({display_path(self._layout.folder)}); nothing has changed.")
        else:
            if running:
                _checked(project)
            say(f"Source: {source} ({why}).")
            if running:
                say("Already running; this has changed and is applied:")
                for service, reason in difference.changed.items():
                    say(f"  {service:<16} {reason}")
                self._remove_those_beside(project, model)
            changed = [name for name in model["services"] if name in difference.changed]
            facts = self._launch(choice, project, model, source, changed)
            say(f"Ready after {time.monotonic() - self._begun:.0f} s.")
        key = read_api_key(Path(facts["key_file"]))
        print(f"\n{summary(facts, key if self._options.show_credentials else None, self._layout)}")

    def _prepare(self, project: Project, model: Mapping[str, Any]) -> None:
        """All that must be there before a container can be."""
        if made := write_secrets(self._layout, self._owner, self._settings):
            say(f"Made {', '.join(made)} in {display_path(self._layout.secrets)}.")
        self._files_folder().mkdir(parents=True, exist_ok=True)
        build_images(project.compose, self._layout, model, say, force=self._options.build)
        pull_images(missing_images(model), say)

    def _decide(self) -> tuple[Choice, Project, dict[str, Any]]:
        """Small where the engine has too little memory for the default."""
        choice = choose(self._options, self._settings, too_little_memory=False)
        project, model = self._project(choice)
        needed = needed_memory(model, self._scale)
        if needed <= self._engine.memory:
            return choice, project, model
        smaller = choose(self._options, self._settings, too_little_memory=True)
        if smaller == choice:
            return choice, project, model
        say(
            f"The engine has {megabytes(self._engine.memory)}, the default needs {megabytes(needed)}:"
            " starting with --profile lite."
        )
        return smaller, *self._project(smaller)

    def _project(self, choice: Choice) -> tuple[Project, dict[str, Any]]:
        """With all that is known before the source is."""
        variables = self._variables(choice, None)
        variables["SOURCE"] = self._asked_source()
        compose = open_compose(
            self._program, self._layout, self._options.overrides, lite=choice.lite, variables=variables
        )
        model = compose.model()
        return Project(self._layout, compose, model["name"]), model

    def _settle(self, choice: Choice, project: Project, source: str) -> tuple[Project, dict[str, Any]]:
        variables = self._variables(choice, source)
        self._layout.stack_env.write_text(env_text(variables), encoding="utf-8", newline="\n")
        project = project.with_variables(variables)
        return project, project.compose.model()

    def _variables(self, choice: Choice, source: str | None) -> dict[str, str]:
        variables = stack_variables(choice, source, self._settings, self._layout.folder, self._owner)
        variables["FILES_DIR"] = self._files_folder().as_posix()
        return variables

    def _files_folder(self) -> Path:
        """Files that settings may name, mounted at /files."""
        given = self._settings.get("FILES_DIR")
        return (ROOT / Path(given).expanduser()).resolve() if given else self._layout.data_dir / "files"

    def _asked_source(self) -> str:
        return self._options.source or self._settings.get("SOURCE") or "auto"

    def _source_of_running(self) -> tuple[str, str] | None:
        """Not chosen anew for a stack that runs: cursors belong to a source."""
        asked = self._asked_source()
        if asked != "auto":
            return asked, f"SOURCE={asked}"
        return (self._earlier["source"], "as it was started") if "source" in self._earlier else None

    def _scale_of(self, model: Mapping[str, Any]) -> dict[str, int]:
        return {name: count for name, count in self._scale.items() if name in model["services"]}

    def _remove_those_beside(self, project: Project, model: Mapping[str, Any]) -> None:
        """Compose leaves the containers of a profile that is no longer chosen."""
        for container in project.containers():
            if container.service not in model["services"]:
                run_docker("container", "stop", container.id)
                run_docker("container", "rm", container.id)

    def _launch(
        self, choice: Choice, project: Project, model: Mapping[str, Any], source: str, services: list[str]
    ) -> dict[str, Any]:
        facts = stack_facts(model, choice, source, self._scale, self._options, self._layout, self._settings)
        # Before anything runs, so that logs.sh and stop.sh find what a start that fails has left.
        write_json(self._layout.facts, facts)
        say("Starting:")
        try:
            StagedStart(project, self._scale_of(model), say).run(services)
        except StackFailed as error:
            raise StackFailed(
                f"{error}\nWhat runs is left so: ./logs.sh SERVICE shows more, ./start.sh --docker goes on,"
                " ./stop.sh stops it"
            ) from None
        key = read_api_key(Path(facts["key_file"]))
        api = HttpClient(facts["urls"]["api"], {"Authorization": f"Bearer {key}"}, timeout=120)
        question = wait_for_question(api, stories=expects_stories(source, self._settings), say=say)
        say(f"The api answers at {facts['urls']['api']} after {time.monotonic() - self._begun:.0f} s.")
        if choice.ollama and choice.llm == "ollama":
            say("Until Ollama has the language model, answers are quotes; fetching it:")
            if pull_model(project, say):
                wait_for_model(project, say)
        answer = ask(api, question)
        say(f"Asked:    {question}\nAnswered: {answer['answer']} ({answer['outcome']}, {answer['model']})")
        facts = {**facts, "question": question}
        write_json(self._layout.facts, facts)
        return facts


def _checked(project: Project) -> tuple[str, str]:
    say("Checking the settings in the images.")
    return check_settings(project)


def say(line: str) -> None:
    print(line, flush=True)
