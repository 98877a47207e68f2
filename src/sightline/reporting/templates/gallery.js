// The switches of a gallery: which cases, in which order, which of their maps, and how they lie over the image.
"use strict";

for (const gallery of document.querySelectorAll("[data-gallery]")) {
  const controls = gallery.querySelector(".controls");
  const list = gallery.querySelector(".cases");
  const mix = controls.querySelector("[data-mix]");
  const outline = controls.querySelector("[data-outline]");
  const count = controls.querySelector("[data-count]");
  const choices = {};
  for (const select of controls.querySelectorAll("[data-choice]")) choices[select.dataset.choice] = select;
  const chosen = (name) => (choices[name] ? choices[name].value : "");

  const cases = [...list.children].map((element) => ({
    element,
    place: Number(element.dataset.place),
    given: element.dataset.given === "true",
    labels: JSON.parse(element.dataset.labels),
    recipes: [...element.querySelectorAll(".recipe")],
  }));
  const shownRecipes = (each) =>
    each.recipes.filter((recipe) => !chosen("recipe") || recipe.dataset.recipe === chosen("recipe"));

  // The lowest share inside among answers that are wrong or sure; 2 where there is none.
  const worst = (each) => {
    const counted = shownRecipes(each).filter(
      ({ dataset }) => dataset.share !== "" && (dataset.judged === "wrong" || dataset.sure === "true"),
    );
    return Math.min(2, ...counted.map(({ dataset }) => Number(dataset.share)));
  };

  const wanted = (each) => {
    const { condition } = each.element.dataset;
    if (chosen("order") === "given" && !each.given) return false;
    if (chosen("label") && !each.labels.includes(chosen("label"))) return false;
    if (chosen("condition") && chosen("condition") !== condition) return false;
    const answers = { wrong: ["judged", "wrong"], right: ["judged", "right"], sure: ["sure", "true"] }[chosen("answers")];
    return !answers || shownRecipes(each).some((recipe) => recipe.dataset[answers[0]] === answers[1]);
  };

  const showMap = (recipe, labels) => {
    const name = chosen("class") || recipe.dataset.answer;
    const names = name === "=label" ? labels : [name];
    let found = false;
    for (const map of recipe.querySelectorAll(".map")) {
      const isIt = names.includes(map.dataset.class) && (!choices.method || map.dataset.method === chosen("method"));
      map.hidden = !isIt || found;
      found = found || isIt;
    }
    recipe.querySelector(".nothing").hidden = found;
  };

  const update = () => {
    const keys = new Map(cases.map((each) => [each, chosen("order") === "given" ? 0 : worst(each)]));
    cases.sort((one, other) => keys.get(one) - keys.get(other) || one.place - other.place);
    list.append(...cases.map((each) => each.element));
    for (const each of cases) {
      each.element.hidden = !wanted(each);
      const shown = shownRecipes(each);
      for (const recipe of each.recipes) {
        recipe.hidden = !shown.includes(recipe);
        if (!recipe.hidden) showMap(recipe, each.labels);
      }
    }
    const visible = cases.filter((each) => !each.element.hidden).length;
    count.textContent = `${visible} of ${cases.length} shown`;
  };

  // 0 is the image, 50 the map over it, 100 the map alone.
  const look = () => {
    const place = Number(mix.value);
    gallery.style.setProperty("--heat", Math.min(1, place / 50));
    gallery.style.setProperty("--seen", Math.min(1, 2 - place / 50));
    const words = { 0: "image", 50: "overlay", 100: "map" }[place];
    mix.setAttribute("aria-valuetext", words || `${place} of 100, from image to map`);
    if (outline) gallery.classList.toggle("without-edges", !outline.checked);
  };

  for (const select of Object.values(choices)) select.addEventListener("change", update);
  mix.addEventListener("input", look);
  if (outline) outline.addEventListener("change", look);
  gallery.classList.add("live");
  controls.hidden = false;
  update();
  look();
}
