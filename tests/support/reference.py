"""A slow and obvious reading of a policy, written from docs/policy.md: it shares no code with the real one.

The policy is the plain data of the file, without what this needs no word for: see tests/unit/policy.
"""

import re
from datetime import timedelta

LADDER = ["shadow", "ask", "auto"]
CEILING = {"observe": "shadow", "suggest": "ask", "act": "auto"}
WORD = {"shadow": "shadow", "ask": "ask", "auto": "allow"}


def minutes(number):
    return timedelta(minutes=number)


def matches(matcher, labels):
    name, sign, value = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher).groups()
    actual = labels.get(name, "")
    if sign == "=":
        return actual == value
    if sign == "!=":
        return actual != value
    found = re.fullmatch(value, actual) is not None
    return found if sign == "=~" else not found


def lowest(*levels):
    return min(levels, key=LADDER.index)


def expected(data, asked):
    """Decision, reason and policy for a question."""
    for rule in data["policies"]:
        for labels in asked.alerts:
            if all(matches(matcher, labels) for matcher in rule["matchers"]):
                return (*verdict(data, rule, asked), rule["name"])
    return "deny", "no_policy", ""


def verdict(data, rule, asked):
    for reason in refusals(data, rule, asked):
        return "deny", reason
    now, why = autonomy(data, rule, asked)
    if now == "auto" or (now == "ask" and asked.approved):
        return "allow", "allowed"
    return WORD[now], why


def autonomy(data, rule, asked):
    filed = rule["autonomy"]
    most = rule["promotion"]["to"] if rule["promotion"] else filed
    now = lowest(asked.earned.get(rule["name"], filed), most)
    why = "demoted" if LADDER.index(now) < LADDER.index(filed) else "autonomy"
    # The only interval of these policies is called night: from midnight to six, UTC.
    if now == "auto" and rule["active_time_intervals"] and asked.at.hour >= 6:
        now, why = "ask", "outside_window"
    if LADDER.index(CEILING[data["mode"]]) < LADDER.index(now):
        now, why = CEILING[data["mode"]], "mode_ceiling"
    if now == "auto" and asked.diagnosis is not None and not asked.diagnosis.supported:
        now, why = "ask", "unsupported_evidence"
    return now, why


def refusals(data, rule, asked):
    """Every reason against it, in the order of the page."""
    if asked.paused:
        yield "paused"
    if asked.diagnosis is not None:
        yield from diagnosis_refusals(rule, asked)
    if not asked.effects:
        yield "no_effects"
    for effect in asked.effects:
        yield from effect_refusals(rule, effect)
    if asked.attempt >= rule["limits"]["attempts_per_incident"]:
        yield "attempts_spent"
    yield from limit_refusals(data, rule, asked)
    for query in rule["guards"]:
        if query in asked.guards and asked.guards[query] is None:
            yield "no_data"
        if query in asked.guards and asked.guards[query] is False:
            yield "guard_failed"


def diagnosis_refusals(rule, asked):
    if rule["deterministic"] and asked.engine != "runbook":
        yield "not_deterministic"
    if not asked.diagnosis.conclusive:
        yield "inconclusive"
    if asked.diagnosis.confidence < rule["require"]["min_confidence"]:
        yield "low_confidence"
    if rule["require"]["evidence"] and not asked.diagnosis.supported:
        yield "unsupported_evidence"


def effect_refusals(rule, effect):
    if effect.kind == "config.set":
        listed = [
            a for a in rule["allow"] if a["effect"] == "config.set" and a["key"] == effect.key
        ]
        if not listed:
            yield "effect_not_allowed"
        elif not any(within(a["value"], effect.after) for a in listed):
            yield "value_out_of_bounds"
    elif {"effect": effect.kind, "service": effect.service} not in rule["allow"]:
        yield "effect_not_allowed"


def within(bounds, text):
    return text.isdigit() and bounds["min"] <= int(text) <= bounds["max"]


def limit_refusals(data, rule, asked):
    fleet, own = data["limits"], rule["limits"]
    others = [item for item in asked.acted if item.incident_id != asked.incident_id]
    active = [item for item in others if item.active]
    mine = [item for item in others if item.policy == rule["name"]]
    targets = {effect.target for effect in asked.effects}
    if any(target in targets for item in active for target in item.targets):
        yield "concurrency"
    if len([item for item in mine if item.active]) >= own["concurrent"]:
        yield "concurrency"
    yield from radius_refusals(fleet, asked, active, targets)
    yield from rate_refusals(fleet, own, asked, others, mine)


def radius_refusals(fleet, asked, active, targets):
    for service in {labels.get("service") for labels in asked.alerts} | services(targets):
        busy = [i for i in active if service in {i.labels.get("service")} | services(i.targets)]
        if service and len(busy) >= fleet["concurrent"]["service"]:
            yield "blast_radius"
    for host in {machine(labels) for labels in asked.alerts}:
        busy = [item for item in active if machine(item.labels) == host]
        if host and len(busy) >= fleet["concurrent"]["host"]:
            yield "blast_radius"
    if len(active) >= fleet["concurrent"]["fleet"]:
        yield "blast_radius"


def rate_refusals(fleet, own, asked, others, mine):
    targets = {effect.target for effect in asked.effects}
    if len([i for i in mine if asked.at - i.at < minutes(60)]) >= own["per_hour"]:
        yield "rate_limited"
    if any(asked.at - item.at < minutes(int(own["cooldown"][:-1])) for item in mine):
        yield "cooling_down"
    for item in others:
        recent = asked.at - item.at < minutes(int(fleet["target_cooldown"][:-1]))
        if recent and targets & set(item.targets):
            yield "target_cooling"
    if len([i for i in others if asked.at - i.at < minutes(60)]) >= fleet["changes_per_hour"]:
        yield "changes_spent"
    if stormy(fleet["storm"], asked):
        yield "storm_cooldown"


def services(targets):
    return {target.split(":")[1] for target in targets if target.startswith("service:")}


def machine(labels):
    return labels.get("instance", "").split(":")[0]


def stormy(storm, asked):
    """Whether some moment within the cool-down had so many incidents shortly before it."""
    for last in asked.opened:
        if asked.at - last >= minutes(int(storm["cooldown"][:-1])):
            continue
        shortly = minutes(int(storm["within"][:-1]))
        close = [at for at in asked.opened if timedelta(0) <= last - at <= shortly]
        if len(close) >= storm["incidents"]:
            return True
    return False
