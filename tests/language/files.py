"""Contract files of this tree, and YAML as editors read it (the core schema of YAML 1.2)."""
import pathlib
import re

import yaml

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
CONTRACT = TREE / "src/contract"


class Core(yaml.SafeLoader):
    """PyYAML reads YAML 1.1, where `no` is false and 1:30 a number."""


Core.yaml_implicit_resolvers = {}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
Core.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
Core.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
Core.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)$"), list("-+.0123456789"))


def read_int(loader, node):
    return int(loader.construct_scalar(node))  # 0400 is four hundred here, not octal


Core.add_constructor("tag:yaml.org,2002:int", read_int)


def read(text):
    return yaml.load(text, Loader=Core)


def good_texts():
    """{where: text} of every contract that we show to be right."""
    texts = {}
    for name, text in re.findall(r'k(\w+) = R"\(\n(.*?)\)"', (CONTRACT / "test_fixture.h").read_text(), re.S):
        texts[f"test_fixture.h k{name}"] = text
    for number, text in enumerate(re.findall(r"^```yaml\n(name: .*?)^```$", (TREE / "docs/reference/contract.md").read_text(), re.S | re.M)):
        texts[f"contract.md example {number + 1}"] = text
    for path in sorted((CONTRACT / "testdata/good").glob("*.yaml")) + sorted((TREE / "recipes").glob("*/*.yaml")):
        if path.read_text().startswith(("name:", "#")) and "\nworkloads:" in path.read_text():
            texts[str(path.relative_to(TREE))] = path.read_text()
    for page in sorted((TREE / "docs/guide").glob("*.md")):
        for number, text in enumerate(re.findall(r"<<'?EOF'?\n(name: .*?\n)EOF$", page.read_text(), re.S | re.M)):
            texts[f"{page.name} file {number + 1}"] = text
    return texts


def bad_texts():
    return {path.name: path.read_text() for path in sorted((CONTRACT / "testdata/bad").glob("*.yaml"))}
