"""How a diagnosis is kept in the incident's data: JSON there, the domain's values back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sre_daemon.domain.diagnosis import Diagnosis, Evidence
from sre_daemon.domain.effect import from_json, to_json


def diagnosis_to_json(diagnosis: Diagnosis) -> dict[str, object]:
    """JSON values only."""
    return {
        "conclusive": diagnosis.conclusive,
        "root_cause": diagnosis.root_cause,
        "confidence": diagnosis.confidence,
        "supported": diagnosis.supported,
        "evidence": [asdict(item) for item in diagnosis.evidence],
        "contributing_factors": list(diagnosis.contributing_factors),
        "affected_services": list(diagnosis.affected_services),
        "ruled_out": list(diagnosis.ruled_out),
        "missing": list(diagnosis.missing),
        "proposed": [to_json(effect) for effect in diagnosis.proposed],
        "unshown": list(diagnosis.unshown),
    }


def diagnosis_from_json(data: object) -> Diagnosis | None:
    """What `diagnosis_to_json` wrote, or None where there is nothing."""
    if not isinstance(data, Mapping):
        return None
    fields: dict[str, Any] = dict(data)
    return Diagnosis(
        conclusive=fields["conclusive"],
        root_cause=fields["root_cause"],
        confidence=fields["confidence"],
        evidence=tuple(Evidence(**item) for item in fields["evidence"]),
        contributing_factors=tuple(fields["contributing_factors"]),
        affected_services=tuple(fields["affected_services"]),
        ruled_out=tuple(fields["ruled_out"]),
        missing=tuple(fields["missing"]),
        proposed=tuple(from_json(item) for item in fields["proposed"]),
        unshown=tuple(fields.get("unshown", ())),
    )
