"""Tools and a prompt that ask the client for something first (SEP-2322, multi-round-trip requests)."""

from __future__ import annotations

from typing import Any

from fastmcp import Context, FastMCP
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)

Answer = str | InputRequiredResult


def asking(message: str, name: str, kind: str = "string") -> ElicitRequest:
    """A question to the person, for one value."""
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sampling(text: str, most: int = 100) -> CreateMessageRequest:
    """A question to the client's model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=most))


def required(requests: dict[str, InputRequest], state: str | None = None) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def answered(ctx: Context, *names: str) -> bool:
    return set(names) <= (ctx.input_responses or {}).keys()


NAME = asking("What is your name?", "name")
CONFIRM = asking("Please confirm", "ok", "boolean")
GREETING = sampling("Generate a greeting", 50)


def test_input_required_result_elicitation(ctx: Context) -> Answer:
    """Greets by name."""
    answer = (ctx.input_responses or {}).get("user_name")
    if not isinstance(answer, ElicitResult):
        return required({"user_name": NAME})
    return f"Hello, {(answer.content or {}).get('name')}!"


def test_streaming_elicitation(ctx: Context) -> Answer:
    """Greets by name."""
    return "Hello!" if answered(ctx, "user_name") else required({"user_name": NAME})


def test_input_required_result_sampling(ctx: Context) -> Answer:
    """Asks the client's model."""
    if not answered(ctx, "capital_question"):
        return required({"capital_question": sampling("What is the capital of France?")})
    return f"The model said: {ctx.input_responses}"


def test_input_required_result_list_roots(ctx: Context) -> Answer:
    """Asks for the client's roots."""
    if not answered(ctx, "client_roots"):
        return required({"client_roots": ListRootsRequest()})
    return f"The roots: {ctx.input_responses}"


def test_input_required_result_request_state(ctx: Context) -> Answer:
    """Finds its state again."""
    if not answered(ctx, "confirm"):
        return required({"confirm": CONFIRM}, "the state")
    return "state-ok" if ctx.request_state == "the state" else "another state"


def test_input_required_result_multiple_inputs(ctx: Context) -> Answer:
    """Asks the person, the model and the client at once."""
    if not answered(ctx, "user_name", "greeting", "client_roots"):
        return required({"user_name": NAME, "greeting": GREETING, "client_roots": ListRootsRequest()}, "asked")
    return f"The answers: {ctx.input_responses}"


def test_input_required_result_multi_round(ctx: Context) -> Answer:
    """Asks twice."""
    if ctx.request_state == "1" and answered(ctx, "step1"):
        return required({"step2": asking("Step 2: What is your favorite color?", "color")}, "2")
    if ctx.request_state == "2" and answered(ctx, "step2"):
        return "Done."
    return required({"step1": asking("Step 1: What is your name?", "name")}, "1")


def test_input_required_result_tampered_state(ctx: Context) -> Answer:
    """Keeps a state that nobody may change."""
    if ctx.request_state is None:
        return required({"confirm": CONFIRM}, "untouched")
    return "Done."


def test_input_required_result_capabilities(ctx: Context) -> Answer:
    """Asks only for what the client can do."""
    found = ctx.session.client_capabilities
    requests: dict[str, InputRequest] = {}
    if found is not None and found.elicitation is not None:
        requests["user_name"] = NAME
    if found is not None and found.sampling is not None:
        requests["greeting"] = GREETING
    return "Nothing to ask." if answered(ctx, *requests) else required(requests)


def test_input_required_result_prompt(ctx: Context) -> Answer:
    """A prompt that asks for its context."""
    if not answered(ctx, "user_context"):
        return required({"user_context": asking("What context should the prompt use?", "context")})
    return f"In this context: {ctx.input_responses}"


def add_to(server: FastMCP[Any]) -> None:
    """Register them all."""
    for function in (
        test_input_required_result_elicitation,
        test_streaming_elicitation,
        test_input_required_result_sampling,
        test_input_required_result_list_roots,
        test_input_required_result_request_state,
        test_input_required_result_multiple_inputs,
        test_input_required_result_multi_round,
        test_input_required_result_tampered_state,
        test_input_required_result_capabilities,
    ):
        server.tool(function)
    server.prompt(test_input_required_result_prompt)
