"""The exact posterior of a confusion matrix beside a Markov chain's.

    pip install pymc
    python benchmarks/posterior_by_mcmc.py --output benchmarks/results/posterior_by_mcmc.json

The model of `sightline.metrics.posterior` is written out in PyMC as the papers have it, two Dirichlet priors and two
multinomials, and sampled by NUTS. Both sides give mean, standard deviation and 95 % interval of highest density of
precision, recall, specificity and F1 of each class and of their means. PyMC is needed for nothing else.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pymc as pm

from sightline.metrics import f1, highest_density_interval, posterior_draws, precision, recall, specificity
from sightline.metrics.averages import Array
from sightline.runs import write_json

SCORES = {"precision": precision, "recall": recall, "specificity": specificity, "F1": f1}
PUBLISHED = Path(__file__).parent / "published" / "isnet.json"


def chain_tables(confusion: Array, draws: int, chains: int, seed: int) -> Array:
    """Joint tables that NUTS draws, `(chains * draws, K, K)`."""
    counts = confusion.astype(int)
    ones = np.ones(len(counts))
    with pm.Model():
        shares = pm.Dirichlet("shares", a=ones)
        pm.Multinomial("rows", n=counts.sum(), p=shares, observed=counts.sum(axis=1))
        for k, row in enumerate(counts):
            decisions = pm.Dirichlet(f"decisions_{k}", a=ones)
            pm.Multinomial(f"row_{k}", n=row.sum(), p=decisions, observed=row)
        trace = pm.sample(draws, tune=1000, chains=chains, cores=1, random_seed=seed, progressbar=False)
    found = {name: trace.posterior[name].to_numpy().reshape(-1, len(counts)) for name in trace.posterior.data_vars}
    decided = np.stack([found[f"decisions_{k}"] for k in range(len(counts))], axis=1)
    return found["shares"][:, :, None] * decided


def summary(scores: Array) -> list[list[float]]:
    """Mean, standard deviation and limits of each column and of their mean."""
    table = np.column_stack([scores, scores.mean(axis=1)])
    return [[float(column.mean()), float(column.std()), *highest_density_interval(column)] for column in table.T]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ISNet", help="a confusion matrix of table 2 of the ISNet paper")
    parser.add_argument("--draws", type=int, default=5000, help="of each chain")
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    confusion = np.array(json.loads(PUBLISHED.read_text())["covid"]["confusion"][options.model], float)
    start = time.process_time()
    tables = chain_tables(confusion, options.draws, options.chains, options.seed)
    taken = time.process_time() - start
    result: dict[str, object] = {}
    worst = np.zeros(4)
    for name, score in SCORES.items():
        chain, exact = summary(score(tables)), summary(posterior_draws(confusion, score, draws=200_000))
        result[name] = {"NUTS": np.round(chain, 5).tolist(), "exact": np.round(exact, 5).tolist()}
        worst = np.maximum(worst, np.abs(np.subtract(chain, exact)).max(axis=0))
    apart = dict(zip(("mean", "sd", "low", "high"), np.round(worst, 5).tolist(), strict=True))
    print(f"{options.model}: furthest apart {apart}; NUTS took {taken:.0f} s of the processor")
    settings = {name: value for name, value in vars(options).items() if name != "output"}
    about = {"pymc": pm.__version__, **settings, "seconds": round(taken, 1), "furthest apart": apart}
    write_json(options.output, {**about, "scores": result})


if __name__ == "__main__":
    main()
