"""The plugin for the stand-in repository."""

from functools import wraps

from polarprior import Settings, StockRepo, hookimpl


@hookimpl
def stock_repos():
    return [
        StockRepo(
            "somebody/model",
            markers=("model.py", "draw.py"),
            scripts=("draw.py", "sheet.py", "patched.py"),
            connect=connect,
            refusals={"train.py": "training needs the model's own prior"},
            imports={"nowhere_to_be_found": "some-thing"},
        )
    ]


def connect(run):
    def hook_loader(model):
        load = model.load

        @wraps(load)
        def hooked(path):
            network = load(path)
            if run.polarity is not None:
                values = run.values()
                sampler = run.sampler(generator_of(network, values["trunc"]), draws=len(values["seeds"]))
                network.register_forward_pre_hook(Redraw(sampler), with_kwargs=True)
            return network

        model.load = hooked

    run.after_import("model", hook_loader)


def generator_of(network, trunc):
    import polarprior as pp

    return pp.wrap(network, latent_dim=4, settings=Settings(trunc=trunc))


class Redraw:
    def __init__(self, sampler):
        self.sampler = sampler

    def __call__(self, network, args, kwargs):
        if args:
            return (self.sampler.redraw(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "z": self.sampler.redraw(kwargs["z"])}
