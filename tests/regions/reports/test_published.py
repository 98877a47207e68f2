from sightline.regions.reports import ReportLabeller
from sightline.regions.reports.published import read_published
from sightline.regions.reports.terms import read_vocabulary


def test_the_published_vocabulary_has_the_published_counts() -> None:
    published = read_published("ct")
    kinds = [finding.kind for finding in published.vocabulary.findings]
    assert [kinds.count(kind) for kind in ("lung", "heart", "generic")] == [27, 9, 47]
    assert len(published.places) == 51
    allowed = [finding.allowed for finding in published.vocabulary.findings]
    assert [sum(organ in each for each in allowed) for organ in ("lung", "heart", "vessel")] == [35, 15, 13]
    kinds = [finding.kind for finding in read_published("cxr").vocabulary.findings]
    assert [kinds.count(kind) for kind in ("lung", "heart", "generic")] == [29, 5, 61]


def test_our_vocabulary_has_the_same_findings_and_places() -> None:
    ours, published = read_vocabulary("ct"), read_published("ct").vocabulary
    assert set(ours.finding_names) == set(published.finding_names)
    assert set(ours.place_names) == set(published.place_names)
    kinds = {finding.name: (finding.kind, finding.allowed) for finding in published.findings}
    differ = {each.name for each in ours.findings if (each.kind, each.allowed) != kinds[each.name]}
    assert differ == set()


def test_every_finding_is_at_every_place_of_its_sentence() -> None:
    labels = ReportLabeller(rules="sarle")("Mass in the right lung and nodule in the left lung.")
    assert labels.where("mass") == labels.where("nodule") >= {"right_lung", "left_lung"}


def test_normal_deletes_the_sentence() -> None:
    assert ReportLabeller(rules="sarle")("Heart is normal and there is a mass.").present == ()


def test_sizes_by_the_published_rules() -> None:
    labeller = ReportLabeller(rules="sarle")
    assert "nodulegr1cm" in labeller("1.2 cm nodule").present
    assert "nodulegr1cm" not in labeller("nodule 1.2 cm").present
    assert "nodulegr1cm" in labeller("nodule measuring 12 mm").present
    assert "lymphadenopathy" in labeller("enlarged lymph nodes").present
    assert "lymphadenopathy" not in labeller("small lymph nodes").present


def test_a_place_without_a_finding_has_another() -> None:
    assert ReportLabeller(rules="sarle")("dilated esophagus is odd").where("dilation_or_ectasia") == {"esophagus"}
    assert ReportLabeller(rules="sarle")("odd esophagus").where("other_finding") == {"esophagus"}
