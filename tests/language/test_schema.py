"""`mcloud contract schema` before python3-jsonschema."""
import json
import subprocess

import files
import jsonschema
import yaml

from harness import expect

def schema_of(mcloud):
    done = subprocess.run([mcloud, "contract", "schema"], capture_output=True, text=True, timeout=20)
    expect(done.returncode == 0, done.stderr)
    return json.loads(done.stdout)


def errors(schema, document):
    return list(jsonschema.Draft7Validator(schema).iter_errors(document))


def test_schema_is_draft_07(mcloud, folder):
    """the schema is a valid one itself, and --json prints the same document"""
    schema = schema_of(mcloud)
    jsonschema.Draft7Validator.check_schema(schema)
    done = subprocess.run([mcloud, "contract", "schema", "--json"], capture_output=True, text=True, timeout=20)
    expect(json.loads(done.stdout) == schema, "--json says something else")


def test_good_files_validate(mcloud, folder):
    """every good contract of tests, recipes, guides and the reference validates"""
    schema, texts = schema_of(mcloud), files.good_texts()
    expect(len(texts) >= 12, f"found only {sorted(texts)}")
    for where, text in texts.items():
        found = errors(schema, files.read(text))
        expect(not found, f"{where}: {[(list(e.absolute_path), e.message[:200]) for e in found[:3]]}")


def test_bad_files_are_refused(mcloud, folder):
    """every bad contract of the parser's tests is refused by the schema as well"""
    schema = schema_of(mcloud)
    accepted = set()
    for name, text in files.bad_texts().items():
        try:
            if not errors(schema, files.read(text)):
                accepted.add(name)
        except yaml.YAMLError:
            pass  # no YAML at all
    expect(not accepted, f"accepts {sorted(accepted)}")


SMALL = {"name": "a", "workloads": {"web": {"kind": "container", "image": "oci:./i"}}}

# (kind, fields, whether it holds)
SINGLE = [("container", {"replicas": 3}, True), ("container", {"replicas": 1001}, False), ("container", {"replicas": "3"}, False),
          ("container", {"replica": 3}, False), ("container", {"replicas": "${count}"}, True),
          ("container", {"resources": {"memory": "64MiB"}}, True), ("container", {"resources": {"memory": "64Mib"}}, False),
          ("container", {"resources": {"memory": "${memory}"}}, True), ("container", {"stop_grace": "10"}, False),
          ("container", {"on_node_loss": "${loss}"}, True), ("container", {"on_node_loss": "stay"}, False),
          ("container", {"environment": {"A": 5, "B": "x", "C": {"secret": "env:X"}}}, True),
          ("container", {"environment": {"1A": "x"}}, False), ("container", {"environment": {"A": {"secret": "hunter2"}}}, False),
          ("container", {"read_only": "yes"}, False), ("container", {"mounts": {"data": "vol"}}, False),
          ("volume", {"size": "1GiB", "image": "oci:./i"}, False), ("kv", {"size": "64MiB", "followers": 16}, False),
          ("publish", {"name": "x", "to": "web:http"}, False), ("cube", {}, False)]


def test_single_fields(mcloud, folder):
    """types, bounds, words, patterns and unknown keys are judged field by field; ${NAME} may stand for any value"""
    schema = schema_of(mcloud)
    expect(not errors(schema, SMALL), "the smallest contract does not validate")
    for kind, fields, holds in SINGLE:
        image = {"image": "oci:./i"} if kind == "container" else {}
        document = {"name": "a", "workloads": {"w": {"kind": kind, **image, **fields}}}
        found = errors(schema, document)
        expect(bool(found) != holds, f"{kind} {fields}: {[e.message[:100] for e in found]}")
