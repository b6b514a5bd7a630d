"""Waiting for a page."""

from typing import Any


def until(tab: Any, condition: str) -> None:
    """Let a page draw frames until a condition holds in it, 600 of them at most.

    Playwright's own ``wait_for_function`` reads its text anew in each frame, which the policy of
    our pages refuses; a function that was read once may wait.
    """
    held = tab.evaluate(
        f"""async () => {{
            const holds = () => Boolean({condition});
            for (let frames = 0; frames < 600 && !holds(); frames++) {{
                await new Promise(requestAnimationFrame);
            }}
            return holds();
        }}"""
    )
    assert held, condition
