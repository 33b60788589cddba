"""A bundle whose hashes are right is still tried before it is believed."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper
from synthetic import FACE_PX, N_FACE, N_VOICE, THREE, classifier, clouds, front_end, onnx_model, small_bundle

from mercli import training
from mercli.bundle import Bundle, FusionPart, Model, VoicePart
from mercli.emotions import FER2013
from mercli.errors import BundleError
from mercli.face.track import FaceNetwork
from mercli.fusion import JOINT
from mercli.judge import layout_of
from mercli.setup import open_bundle
from mercli.soundness import check_sound
from mercli.training import Recipe
from mercli.voice.spec import VoiceSpec

NAN = float("nan")


def made_of(
    nodes, *, tensors=(), output="probabilities", shape_in=("n", N_VOICE), width=3, domains=(), functions=()
):
    """A model of nodes that begin at ``x`` and end at its output."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape_in)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None if width is None else ["n", width])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in dict(tensors).items()],
    )
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(name, 1) for name in domains)]
    model = helper.make_model(graph, opset_imports=opsets, functions=list(functions))
    model.ir_version = 9
    return model.SerializeToString()


def node(kind, inputs, outputs, **how):
    return helper.make_node(kind, inputs.split(), outputs.split(), **how)


def voice_only(model: bytes) -> Bundle:
    return Bundle("b", THREE, VoicePart(VoiceSpec(), Model(model, THREE)))


def face_only(network: bytes) -> Bundle:
    bundle = front_end()
    assert bundle.face is not None
    return replace(bundle, face=replace(bundle.face, network=network))


def face_made_of(nodes, **how):
    return face_only(made_of(nodes, output="posteriors", shape_in=("n", 1, FACE_PX, FACE_PX), width=7, **how))


def refusal(bundle: Bundle) -> str:
    with pytest.raises(BundleError) as caught:
        check_sound(bundle)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert len(sentence) < 400
    return sentence


@pytest.mark.parametrize(
    "bundle",
    [
        small_bundle(),
        front_end(),
        replace(small_bundle(), fusion=None),
        replace(small_bundle(), voice=None, fusion=None),
        replace(small_bundle(), face=None),
        voice_only(classifier(N_VOICE, THREE).onnx),
        open_bundle()[1],
    ],
    ids=["trained", "front end", "no fusion", "face", "fusion without a face", "voice", "shipped"],
)
def test_a_bundle_as_fit_makes_it_is_sound(bundle):
    check_sound(bundle)


# Weights


def with_aside(value, place):
    """A sound model, and three numbers that its output does not rest on: only a search finds them."""
    weights = np.random.default_rng(0).normal(size=(N_VOICE, 3)).astype(np.float32)
    numbers = np.array([0.5, value, 0.25], np.float32)
    listed = helper.make_tensor("aside", TensorProto.FLOAT, [3], numbers)
    tensors, functions, domains = {"w": weights}, [], []
    nodes = [node("MatMul", "x w", "scores"), node("Softmax", "scores", "probabilities")]
    if place == "a branch":
        inner = helper.make_graph(
            [node("Constant", "", "inner", value=listed)],
            "side",
            [],
            [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [3])],
        )
        tensors["yes"] = np.array(True)
        nodes.append(node("If", "yes", "unused", then_branch=inner, else_branch=inner))
    elif place == "a function":
        body = [node("Constant", "", "y", value=listed)]
        functions = [helper.make_function("own", "Three", [], ["y"], body, [helper.make_opsetid("", 18)])]
        nodes.append(node("Three", "", "unused", domain="own"))
        domains = ["own"]
    elif place == "a constant":
        nodes.append(node("Constant", "", "unused", value=listed))
    elif place == "a constant's number":
        nodes.append(node("Constant", "", "unused", value_float=float(value)))
    elif place == "a constant's numbers":
        nodes.append(node("Constant", "", "unused", value_floats=numbers.tolist()))
    elif place == "a sparse constant":
        where = helper.make_tensor("", TensorProto.INT64, [3], [0, 4, 7])
        listed.name = ""
        nodes.append(node("Constant", "", "unused", sparse_value=helper.make_sparse_tensor(listed, where, [9])))
    elif place == "a sparse weight":
        pass
    else:
        kind = {"a list": np.float32, "bytes": np.float32, "float16": np.float16}.get(place, np.float64)
        tensors["aside"] = numbers.astype(kind)
    model = ModelProto.FromString(made_of(nodes, tensors=tensors, functions=functions, domains=domains))
    if place == "a sparse weight":
        where = helper.make_tensor("", TensorProto.INT64, [3], [0, 4, 7])
        model.graph.sparse_initializer.append(helper.make_sparse_tensor(listed, where, [9]))
    if place in ("a list", "bfloat16", "float16 in a list", "float8"):
        kind = {"a list": 1, "bfloat16": TensorProto.BFLOAT16, "float8": TensorProto.FLOAT8E5M2}.get(place, 10)
        model.graph.initializer[-1].CopyFrom(helper.make_tensor("aside", kind, [3], numbers))
    return model.SerializeToString()


PLACES = [
    *("a list", "bytes", "float16", "float16 in a list", "bfloat16", "float8", "float64"),
    *("a constant", "a constant's number", "a constant's numbers", "a sparse constant", "a sparse weight"),
    *("a branch", "a function"),
]


@pytest.mark.parametrize("place", PLACES)
def test_a_nan_is_found_wherever_a_model_keeps_its_weights(place):
    assert refusal(voice_only(with_aside(NAN, place))) == (
        "the voice model holds a weight that is NaN; the bundle is refused"
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", [1.0, float("inf")])
def test_any_other_number_may_be_there(place, value):
    check_sound(voice_only(with_aside(value, place)))


def leaves(value):
    """A sound model that keeps its numbers where older converters put those of trees: in lists of an operator."""
    tree = {
        "nodes_treeids": [0],
        "nodes_nodeids": [0],
        "nodes_modes": ["LEAF"],
        "nodes_featureids": [0],
        "nodes_values": [value],
        "nodes_truenodeids": [0],
        "nodes_falsenodeids": [0],
        "class_treeids": [0] * 3,
        "class_nodeids": [0] * 3,
        "class_ids": [0, 1, 2],
        "class_weights": [0.5, 0.3, 0.2],
        "classlabels_int64s": [0, 1, 2],
    }
    nodes = [
        node("TreeEnsembleClassifier", "x", "label said", domain="ai.onnx.ml", **tree),
        node("Identity", "said", "probabilities"),
    ]
    return made_of(nodes, domains=["ai.onnx.ml"])


def test_a_nan_is_found_among_the_numbers_of_trees():
    check_sound(voice_only(leaves(0.5)))
    assert refusal(voice_only(leaves(NAN))) == "the voice model holds a weight that is NaN; the bundle is refused"


def real_tensors(model: ModelProto) -> list[TensorProto]:
    """Where a classifier keeps its real numbers: constants, and thresholds and leaves of trees."""
    tensors = [*model.graph.initializer]
    tensors += [a.t for n in model.graph.node for a in n.attribute if a.type == AttributeProto.TENSOR]
    return [tensor for tensor in tensors if tensor.data_type in (TensorProto.FLOAT, TensorProto.DOUBLE)]


@pytest.mark.parametrize(
    ("name", "n_places"),
    [
        ("lda", 7),  # mean, deviation, reach on both sides, weights, bias, temperature
        ("svm", 7),  # mean, axes, support vectors, gamma, duals, bias, temperature
        ("forest", 4),  # thresholds, leaves, the least of a probability, temperature
        ("average", 22),  # LDA's, regression's and the SVM's, and how many they are
    ],
)
def test_a_nan_is_found_among_the_numbers_of_a_trained_voice(name, n_places):
    recipe = Recipe(VoiceSpec(), name)
    table = clouds(2, clips=2, classes=THREE[:2], modalities=["voice"])
    bundle = training.fit(table, front_end(), name="b", seed=0, recipe=recipe)
    check_sound(bundle)
    assert bundle.voice is not None
    for model in spoilt(bundle.voice.model, n_places):
        assert refusal(replace(bundle, voice=replace(bundle.voice, model=model))) == (
            "the voice model holds a weight that is NaN; the bundle is refused"
        )


def spoilt(model: Model, n_places: int) -> Iterator[Model]:
    """The model with a NaN in one of its tensors, each in turn."""
    assert len(real_tensors(ModelProto.FromString(model.onnx))) == n_places
    for place in range(n_places):
        parsed = ModelProto.FromString(model.onnx)
        tensor = real_tensors(parsed)[place]
        numbers = numpy_helper.to_array(tensor).copy()
        numbers.reshape(-1)[-1] = NAN
        tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))
        yield replace(model, onnx=parsed.SerializeToString())


@pytest.mark.parametrize(("pooling", "n_places"), [("stats", 7), ("mean", 7)])
def test_a_nan_is_found_among_the_numbers_of_a_trained_face(pooling, n_places):
    recipe = Recipe(VoiceSpec(), face_pooling=pooling)
    bundle = training.fit(clouds(2, clips=2, modalities=["face"]), front_end(), name="b", seed=0, recipe=recipe)
    check_sound(bundle)
    assert bundle.face is not None
    for model in spoilt(bundle.face.model, n_places):
        assert refusal(replace(bundle, face=replace(bundle.face, model=model))) == (
            "the face model holds a weight that is NaN; the bundle is refused"
        )


@pytest.mark.parametrize(
    ("kind", "n_places"),
    [
        ("product", 2),  # sums, temperature
        ("logistic", 7),  # as LDA
        ("forest", 4),  # thresholds, leaves, the least of a probability, temperature
    ],
)
def test_a_nan_is_found_among_the_numbers_of_a_trained_fusion(kind, n_places):
    bundle = training.fit(clouds(3), front_end(), name="b", seed=0, recipe=Recipe(VoiceSpec(), fusion=kind))
    check_sound(bundle)
    assert bundle.fusion is not None
    for model in spoilt(bundle.fusion.model, n_places):
        assert refusal(replace(bundle, fusion=replace(bundle.fusion, model=model))) == (
            "the fusion model holds a weight that is NaN; the bundle is refused"
        )


def test_a_nan_is_found_in_the_face_network():
    network = ModelProto.FromString(front_end().face.network)
    weights = numpy_helper.to_array(network.graph.initializer[0]).copy()
    weights[7, 3] = NAN
    network.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "weights"))
    assert "the face network holds a weight that is NaN" in refusal(face_only(network.SerializeToString()))


def test_a_tensor_of_another_size_than_it_says_is_refused():
    model = ModelProto.FromString(with_aside(1.0, "a constant"))
    model.graph.node[-1].attribute[0].t.dims[0] = 5
    assert "the voice model" in refusal(voice_only(model.SerializeToString()))


# Answers


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Div", "x x", "y"), node("Compress", "y first", "z", axis=1), node("Softmax", "z", "probabilities")],
        [node("Sqrt", "x", "y"), node("Compress", "y first", "z", axis=1), node("Softmax", "z", "probabilities")],
        [node("Compress", "x first", "y", axis=1), node("Relu", "y", "probabilities")],
        [node("Compress", "x first", "y", axis=1), node("Exp", "y", "z"), node("Neg", "z", "probabilities")],
    ],
    ids=["NaN for zeros", "NaN for others", "nothing but zeros", "less than nothing"],
)
def test_a_classifier_that_gives_no_probabilities_is_found_before_any_file(nodes):
    first = np.arange(N_VOICE) < 3
    said = refusal(voice_only(made_of(nodes, tensors={"first": first})))
    assert said == "the voice model gave a clip no probabilities"


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        (
            [node("Compress", "x five", "y", axis=1), node("Softmax", "y", "probabilities")],
            "the voice model gave [1, 5] values for a batch of 1; [1, 3] were expected: it is another model",
        ),
        (
            [
                node("Compress", "x three", "y", axis=1),
                node("Softmax", "y", "z"),
                node("Concat", "z z", "probabilities", axis=0),
            ],
            "the voice model gave [2, 3] values for a batch of 1; [1, 3] were expected: it is another model",
        ),
        (
            [node("Compress", "x five", "y", axis=1), node("MatMul", "y seven", "probabilities")],
            "the voice model cannot be run: ",
        ),
    ],
    ids=["columns", "rows", "failure"],
)
def test_a_classifier_that_does_not_do_what_it_says_is_found_before_any_file(nodes, sentence):
    seven = np.ones((7, 3), np.float32)
    tensors = {"five": np.arange(N_VOICE) < 5, "three": np.arange(N_VOICE) < 3, "seven": seven}
    assert refusal(voice_only(made_of(nodes, tensors=tensors))).startswith(sentence)


def fusion_that_cannot_take_zeros(n_features):
    """It gives NaN where there is no number over 0 at the beginning of a vector."""
    nodes = [node("Slice", "x from to axis", "y"), node("Log", "y", "z"), node("Softmax", "z", "probabilities")]
    tensors = {"from": np.array([0]), "to": np.array([3]), "axis": np.array([1])}
    return Model(made_of(nodes, tensors=tensors, shape_in=("n", n_features)), THREE)


@pytest.mark.parametrize("kind", ["forest", "logistic", "product"])
def test_a_fusion_model_is_tried_even_where_one_modality_is_alone(kind):
    fusion = FusionPart(kind, fusion_that_cannot_take_zeros(6))
    bundle = voice_only(classifier(N_VOICE, THREE).onnx)
    assert "the fusion model gave a clip no probabilities" in refusal(replace(bundle, fusion=fusion))


@pytest.mark.parametrize("left", ["both", "voice", "face"])
def test_a_joint_network_is_tried_even_where_one_modality_is_alone(left):
    bundle = {
        "both": small_bundle(),
        "voice": voice_only(classifier(N_VOICE, THREE).onnx),
        "face": replace(small_bundle(), voice=None),
    }[left]
    n_features = layout_of(bundle).n_features
    check_sound(replace(bundle, fusion=FusionPart(JOINT, classifier(n_features, THREE))))
    fusion = FusionPart(JOINT, fusion_that_cannot_take_zeros(n_features))
    assert "the fusion model gave a clip no probabilities" in refusal(replace(bundle, fusion=fusion))


def test_a_clip_model_of_the_face_is_tried():
    bundle = small_bundle()
    nodes = [node("Slice", "x from to axis", "y"), node("Exp", "y", "z"), node("Neg", "z", "probabilities")]
    tensors = {"from": np.array([0]), "to": np.array([3]), "axis": np.array([1])}
    model = Model(made_of(nodes, tensors=tensors, shape_in=("n", N_FACE)), THREE)
    bad = replace(bundle, face=replace(bundle.face, model=model))
    assert refusal(bad) == "the face model gave a clip no probabilities"


W = {"w": np.random.default_rng(0).normal(scale=0.01, size=(FACE_PX**2, 7)).astype(np.float32)}


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        (
            [
                node("Flatten", "x", "f"),
                node("MatMul", "f w", "y"),
                node("Softmax", "y", "z"),
                node("ReduceMax", "z axis", "posteriors", keepdims=1),
            ],
            "the face network gave [1, 7] values for a batch of 3; [3, 7] were expected: it is another model",
        ),
        (
            [node("Flatten", "x", "f"), node("MatMul", "f w", "y"), node("Sigmoid", "y", "posteriors")],
            "the face network gives values that do not sum to 1, which are no posteriors",
        ),
        (
            [
                node("Flatten", "x", "f"),
                node("MatMul", "f w", "y"),
                node("Div", "y y", "z"),
                node("Softmax", "z", "posteriors"),
            ],
            "the face network gave a clip no probabilities",
        ),
        (
            [
                node("Flatten", "x", "f"),
                node("MatMul", "f w", "y"),
                node("Sqrt", "y", "z"),
                node("Softmax", "z", "posteriors"),
            ],
            "the face network gave a clip no probabilities",
        ),
    ],
    ids=["one row for any batch", "no shares", "NaN for black", "NaN for others"],
)
def test_a_face_network_that_gives_no_posteriors_is_found_before_any_file(nodes, sentence):
    assert refusal(face_made_of(nodes, tensors={**W, "axis": np.array([0])})) == sentence


def test_a_face_network_whose_output_has_no_stated_shape_is_refused():
    nodes = [node("Flatten", "x", "f"), node("MatMul", "f w", "y"), node("Reshape", "y shape", "posteriors")]
    # What shape is asked for is known only when it runs.
    nodes.insert(2, node("Compress", "sizes which", "shape", axis=0))
    tensors = {**W, "sizes": np.array([-1, 7, 9]), "which": np.array([True, True, False])}
    bundle = face_only(
        made_of(nodes, tensors=tensors, output="posteriors", shape_in=("n", 1, FACE_PX, FACE_PX), width=None)
    )
    assert "the face network does not turn grey 16 x 16 crops into 7 values of posteriors" in refusal(bundle)


@pytest.mark.parametrize("domain", ["", "com.example", "ai.onnx.ml"])
@pytest.mark.parametrize("name", ["Frobnicate", "\x1b[31mred\x1b[0m", "a\u202eb", "two\nlines"])
def test_a_model_of_operations_that_do_not_exist_is_refused(domain, name):
    nodes = [node(name, "x", "probabilities", domain=domain)]
    said = refusal(voice_only(made_of(nodes, domains=[domain] if domain else [])))
    assert said.startswith("the voice model is not an ONNX model that can be run: ")


def test_a_model_that_names_its_sizes_cannot_steer_the_terminal():
    model = onnx_model(np.ones((N_VOICE, 3)), shape_in=("n", "\x1b[31m\n" * 200))
    assert "features; this bundle's are 136" in refusal(voice_only(model))


def test_nothing_is_written_to_the_terminal_but_the_sentence(capfd):
    nodes = [node("Compress", "x five", "y", axis=1), node("MatMul", "y seven", "probabilities")]
    tensors = {"five": np.arange(N_VOICE) < 5, "seven": np.ones((7, 3), np.float32)}
    assert "cannot be run" in refusal(voice_only(made_of(nodes, tensors=tensors)))
    refusal(voice_only(made_of([node("Frobnicate", "x", "probabilities")])))
    assert capfd.readouterr() == ("", "")


# In the middle of a run


def test_a_face_network_that_fails_on_some_faces_only_says_so_there():
    nodes = [
        node("Flatten", "x", "f"),
        node("MatMul", "f w", "y"),
        node("Sub", "limit y", "z"),
        node("Log", "z", "l"),
        node("Softmax", "l", "posteriors"),
    ]
    tensors = {"w": np.ones((FACE_PX**2, 7), np.float32) / FACE_PX**2, "limit": np.float32(250)}
    bundle = face_made_of(nodes, tensors=tensors)
    check_sound(bundle)
    network = FaceNetwork(bundle.face.network, bundle.face.spec)
    dark = np.full((2, FACE_PX, FACE_PX), 100, np.uint8)
    assert network.look(dark)[0].shape == (2, len(FER2013))
    with pytest.raises(BundleError, match="the face network gave a clip no probabilities"):
        network.look(np.concatenate([dark, dark + np.uint8(155)]))
