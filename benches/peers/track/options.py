"""What the command line asks for. Only the standard library is needed, so that --help works before anything is installed."""

import argparse
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]

ABOUT = """Follows the same targets from the same first boxes with other trackers and with ours, and tells how well each follows.

The first run installs pinned versions of OpenCV, onnxruntime and OpenVINO beside this program and fetches the networks of
NanoTrack and LightTrack: 600 MB, a network is needed. A SET is a sequence or a folder of sequences, see README.md.
Everything is written to --out; --time adds times to the results that are there."""


def arguments():
    parser = argparse.ArgumentParser(prog="run", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", type=pathlib.Path, help="a sequence or a folder of sequences")
    parser.add_argument("--time", action="store_true",
                        help="measure times instead: 60 frames of 4 sequences of each set, thermal; about 3 minutes, "
                        "on a machine with nothing else to do")
    parser.add_argument("--self-test", action="store_true", help="a moving square that every peer must follow")
    what = parser.add_argument_group("what is run")
    what.add_argument("--peers", help="comma-separated names; default: all")
    what.add_argument("--modalities", help="of thermal, visible, mean, late; default: all, with --time thermal")
    what.add_argument("--held-out", action="store_true", help="only sequences whose number ends in 3, 6 or 9")
    what.add_argument("--sequences", type=int, metavar="N", help="that many sequences of each class, evenly spaced")
    what.add_argument("--limit", type=int, metavar="N", help="frames of each sequence, from its first box on")
    what.add_argument("--keep", action="store_true",
                      help="take the peers' boxes in --out as they are, and track only what is missing")
    ours = parser.add_argument_group("ours")
    ours.add_argument("--heatmark", metavar="PROGRAM", help="our program, built in release; without it our rows are left out")
    ours.add_argument("--heatmark-model", action="append", metavar="MODEL",
                      help="a tracker of ours, may be repeated; default: its default")
    ours.add_argument("--check", action="store_true", help="compare the scores with those of `heatmark eval --track`")
    places = parser.add_argument_group("places")
    places.add_argument("--models", type=pathlib.Path, metavar="FOLDER", help="the networks of models.txt; default: fetched")
    places.add_argument("--out", type=pathlib.Path, metavar="FOLDER", default=ROOT / "target/peers/track",
                        help="boxes, results.json and results.md; default: target/peers/track")
    places.add_argument("--results", type=pathlib.Path, metavar="FILE",
                        help="results.json, if not in --out; results.md is written beside it")
    given = parser.parse_args()
    if not given.sets and not given.self_test:
        parser.error("name a SET, or --self-test")
    if given.limit is not None and given.limit < 2:
        parser.error("--limit is at least 2")
    if given.time:
        given.sequences, given.limit = given.sequences or 4, given.limit or 60
    given.modalities = (given.modalities or ("thermal" if given.time else "thermal,visible,mean,late")).split(",")
    given.peers = given.peers and given.peers.split(",")
    given.results = given.results or given.out / "results.json"
    return given


if __name__ == "__main__":
    arguments()
