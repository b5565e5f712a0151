"""MCD and ADR: two classifiers or two dropout masks, which one phase drives apart and another brings together."""

from __future__ import annotations

import torch
from small_learners import batch_of_images, gradients_of, learner_of

from dta_bench.methods import adr, mcd
from dta_bench.nn.losses import l1_discrepancy, symmetric_kl


def test_mcds_heads_differ_at_the_start_and_its_phases_raise_and_lower_the_discrepancy() -> None:
    learner = learner_of(mcd)
    assert not torch.equal(learner.net.head.weight, learner.second.weight)
    target = batch_of_images()[1]

    def discrepancy() -> float:
        learner.eval()
        with torch.no_grad():
            found = float(l1_discrepancy(*learner.both_logits(target.images)))
        learner.train()
        return found

    def descend(players: tuple[str, ...], loss: object) -> float:
        before = discrepancy()
        for group in (group for own in learner.optimizers.values() for group in own.param_groups):
            group["lr"] = 1e-2
        for _ in range(60):
            learner.take(*batch_of_images())
            learner.gradients(players, loss)  # type: ignore[arg-type]
            learner.update(players)
        return discrepancy() - before

    assert descend(("heads",), learner.classifiers_loss) > 0
    assert descend(("features",), learner.features_loss) < 0


def test_adrs_two_predictions_agree_where_no_unit_is_dropped() -> None:
    learner = learner_of(adr, keep_rate=1.0)
    hidden = torch.randn(4, 32)
    assert float(symmetric_kl(learner.logits_with_dropout(hidden), learner.logits_with_dropout(hidden)).detach()) == 0


def test_adrs_classifier_without_dropout_never_trains_the_features() -> None:
    learner, other = learner_of(adr), learner_of(adr)
    torch.nn.init.normal_(other.clean.weight, std=5.0)
    players = ("features", "head", "clean")
    found, changed = (
        gradients_of(learner, players, learner.source_loss),
        gradients_of(other, players, other.source_loss),
    )
    assert not torch.equal(found["clean.weight"], changed["clean.weight"])
    assert all(torch.equal(found[name], changed[name]) for name in found if not name.startswith("clean"))
