"""The web UI's prompt language once more, in Python, for the goldens: written from its documentation and the
descriptions of its rules, and from sd-webui-animatediff's for prompt travel.  It shares nothing with grammar.c and
chunks.c but what they must agree on.

    subprompts("a :1.2 AND b")             [("a", 1.2), ("b", 1.0)]
    at_step("a [b:c:2]", 3, 10)            "a c"          step counts from 0, of 10
    stretches("a (b:1.3)")                 [("a ", 1.0), ("b", 1.3)]
    chunks(tokenize, ids, "a (b:1.3)")     [[(id, weight)] * 77]
    travel("head\\n0: a\\n8: b")           {0: "head, a, ", 8: "head, b, "}
"""
import re

import torch


# ---------------------------------------------------------------- AND: composable diffusion

def subprompts(prompt):
    out = []
    for part in re.split(r"\bAND\b", prompt):
        m = re.fullmatch(r"(.*?)\s*:\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*", part, re.S)
        out.append((m[1], float(m[2])) if m else (part.rstrip(), 1.0))
    return out


# ---------------------------------------------------------------- prompt editing and alternation: recursive descent

NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*")


class Unreadable(Exception):
    pass


def bracket(text, i):
    """The group that opens at i -> (function of the step, index behind it), or None when it is no group."""
    start, is_round = i, text[i] == "("
    parts, separators, here = [], [], []
    i += 1
    while i < len(text):
        c = text[i]
        if c == "\\":
            here.append(text[i:i + 2])
            i += 2
        elif c in "([":
            group = bracket(text, i)
            if group is None:
                return None
            here.append(group[0])
            i = group[1]
        elif c in ":|":
            parts.append(here)
            separators.append((c, i))
            here = []
            i += 1
        elif c in ")]":
            break
        else:
            here.append(c)
            i += 1
    else:
        return None
    parts.append(here)
    if (text[i] == ")") != is_round:
        return None
    kinds = "".join(c for c, _ in separators)

    def text_of(part, step):
        return "".join(p if isinstance(p, str) else p(step) for p in part)

    def verbatim(step):
        inside = "".join(text_of(p, step) + kinds[k:k + 1] for k, p in enumerate(parts))
        return text[start] + inside + text[i]
    if is_round:
        return (verbatim, i + 1) if kinds in ("", ":") else None
    if kinds == "":
        return verbatim, i + 1
    if set(kinds) == {"|"}:
        return lambda step: text_of(parts[(step - 1) % len(parts)], step), i + 1
    number = NUMBER.fullmatch(text[separators[-1][1] + 1:i])
    if kinds not in (":", "::") or not number:
        return None
    before, after, when = parts[0] if kinds == "::" else [], parts[len(kinds) - 1], number[1]
    return lambda step: text_of(before if step <= step_of(when) else after, step), i + 1


STEPS = 0


def step_of(when):
    value = float(when) * (STEPS if "." in when else 1)
    return min(STEPS, int(value))


def at_step(prompt, step, steps):
    """The web UI counts from 1, so its first two steps have the same text."""
    global STEPS
    STEPS = steps
    out, i = [], 0
    try:
        bare = re.sub(r"\\.", "", prompt)
        if "\\" in bare:
            raise Unreadable
        while i < len(prompt):
            c = prompt[i]
            group = bracket(prompt, i) if c in "([" else None
            if group:
                out.append(group[0](max(step, 1)))
                i = group[1]
            elif c == "\\":
                out.append(prompt[i:i + 2])
                i += 2
            elif c == "|":
                raise Unreadable
            else:
                out.append(c)
                i += 1
    except Unreadable:
        return prompt
    return "".join(out)


# ---------------------------------------------------------------- emphasis: attention weighting

def stretches(text):
    pieces, opened = [], {"(": [], "[": []}

    def close(kind, by):
        if not opened[kind]:
            return False
        for p in pieces[opened[kind].pop():]:
            p[1] *= by
        return True
    i = 0
    while i < len(text):
        weighted = re.compile(r":\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*\)").match(text, i)
        c = text[i]
        if c == "\\":
            letter = text[i + 1:i + 2] if text[i + 1:i + 2] in tuple("()[]\\") else ""
            pieces.append([letter, 1.0])
            i += 1 + len(letter)
        elif c in "([":
            opened[c].append(len(pieces))
            i += 1
        elif weighted and close("(", float(weighted[1])):
            i = weighted.end()
        elif c in ")]" and close("([".__getitem__(c == "]"), 1.1 if c == ")" else 1 / 1.1):
            i += 1
        else:
            run = weighted[0] if weighted else c if c in ":)]" else re.compile(r"[^\\()\[\]:]+").match(text, i)[0]
            for k, part in enumerate(re.split(r"\s*\bBREAK\b\s*", run)):
                if k:
                    pieces.append(["BREAK", -1])
                pieces.append([part, 1.0])
            i += len(run)
    for kind, by in (("(", 1.1), ("[", 1 / 1.1)):
        while opened[kind]:
            close(kind, by)
    out = []
    for part, weight in pieces or [["", 1.0]]:
        if out and out[-1][1] == weight:
            out[-1][0] += part
        else:
            out.append([part, weight])
    return [tuple(p) for p in out]


# ---------------------------------------------------------------- chunks

def chunks(tokenize, special, text, embeddings=()):
    """special: (begin, end, comma).  embeddings: [(tokens of the name, [ids that stand for its vectors])]."""
    begin, end, comma = special
    done, here, last_comma = [], [], None
    embeddings = sorted(embeddings, key=lambda e: -len(e[0]))

    def finish():
        nonlocal here, last_comma
        done.append([(begin, 1.0)] + here + [(end, 1.0)] * (76 - len(here)))
        here, last_comma = [], None
    for part, weight in stretches(text):
        if (part, weight) == ("BREAK", -1):
            finish()
            continue
        ids, i = tokenize(part), 0
        while i < len(ids):
            if ids[i] == comma:
                last_comma = len(here)
            elif len(here) == 75 and last_comma is not None and 75 - last_comma <= 20:
                moved, here = here[last_comma + 1:], here[:last_comma + 1]
                finish()
                here = moved
            if len(here) == 75:
                finish()
            found = next((e for e in embeddings if ids[i:i + len(e[0])] == e[0]), None)
            if found is None:
                here.append((ids[i], weight))
                i += 1
                continue
            if len(here) + len(found[1]) > 75:
                finish()
            here += [(v, weight) for v in found[1]]
            i += len(found[0])
    if here or not done:
        finish()
    return done


# ---------------------------------------------------------------- vectors

def emphasized(z, weights):
    """z: [chunks,77,width].  Each chunk's mean is what it was."""
    w = torch.tensor(weights, dtype=torch.float32).to(z.dtype)
    out = z * w[..., None]
    return out * (z.mean((1, 2), keepdim=True) / out.mean((1, 2), keepdim=True))


# ---------------------------------------------------------------- travel

def travel(prompt):
    """{frame: prompt}, empty when no line is a key."""
    lines = prompt.split("\n")
    first = next((i for i, line in enumerate(lines) if re.match(r"\d+:", line)), len(lines))
    last = first
    while last < len(lines) and re.match(r"\d+: .", lines[last]):
        last += 1
    head, tail = ", ".join(lines[:first]), ", ".join(lines[last:])
    return {int(line.split(":", 1)[0]): f"{head}, {line.split(': ', 1)[1]}, {tail}" for line in lines[first:last]}


def slerp(a, b, t):
    cosine = (a / a.norm() * (b / b.norm())).sum()
    if abs(cosine) > 0.9995:
        return (1 - t) * a + t * b
    angle = torch.acos(cosine)
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def frame_vectors(keys, frame, frames, closed):
    """keys: {frame: tensor}, in rising order."""
    earlier, later = [k for k in keys if k <= frame], [k for k in keys if k > frame]
    a = earlier[-1] if earlier else list(keys)[-1] if closed else later[0]
    b = later[0] if later else list(keys)[0] if closed else earlier[-1]
    gone, left = (frame - a) % frames, (b - frame) % frames
    return keys[a] if a == b or gone + left == 0 else slerp(keys[a], keys[b], gone / (gone + left))
