// Wheel, drag and pinch on a plane: slices, zoom, place, window.

const MOST_ZOOM = 16;

export const zoomTo = (look, zoom, plane, [u, v] = look.centres[plane], [x, y] = [0.5, 0.5]) => {
  const next = Math.max(1, Math.min(MOST_ZOOM, zoom));
  // what lies under the pointer stays there
  look.centres[plane] = [u - (x - 0.5) / next, v - (y - 0.5) / next];
  look.zoom = next;
  for (const each of Object.values(look.centres)) {
    const room = 0.5 / next;
    for (const axis of [0, 1]) each[axis] = Math.max(room, Math.min(1 - room, each[axis]));
  }
};

export const resetZoom = (look) => {
  look.zoom = 1;
  for (const plane of Object.keys(look.centres)) look.centres[plane] = [0.5, 0.5];
};

// `act` is told of: moved(), slice(plane, by), place(plane, share), window(), hover(share or null).
export const listen = (view, look, act) => {
  const { canvas, plane } = view;
  const pointers = new Map();
  let before = null;
  const shareOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return view.toShare(event.clientX - box.left, event.clientY - box.top, look);
  };
  const relative = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };

  let turned = 0;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (view.volume && !event.ctrlKey && !event.metaKey) {
      turned += event.deltaMode ? 40 * event.deltaY : event.deltaY;
      const steps = Math.trunc(turned / 40);
      turned -= 40 * steps;
      if (steps) act.slice(plane, steps);
      return;
    }
    zoomTo(look, look.zoom * Math.exp(-event.deltaY / 400), plane, shareOf(event), relative(event));
    act.moved();
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" && look.zoom === 1 && !view.volume && pointers.size === 0) canvas.style.touchAction = "pan-y";
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, event);
    before = { x: event.clientX, y: event.clientY, window: [...look.window], moved: false, spread: 0 };
  });

  canvas.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) {
      act.hover(shareOf(event));
      return;
    }
    pointers.set(event.pointerId, event);
    if (!before) return;
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    if (pointers.size === 2) {
      const [one, other] = [...pointers.values()];
      const spread = Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      if (before.spread) zoomTo(look, (look.zoom * spread) / before.spread, plane);
      before.spread = spread;
      before.moved = true;
      act.moved();
    } else if (event.buttons === 2 || event.shiftKey) {
      const [low, high] = before.window;
      const width = Math.max(0.005, (high - low) * Math.exp(dx / 200));
      const middle = (low + high) / 2 + ((high - low) * dy) / 300;
      look.window = [middle - width / 2, middle + width / 2];
      before.moved = true;
      act.window();
    } else if (look.zoom > 1) {
      const box = canvas.getBoundingClientRect();
      const [u, v] = look.centres[plane];
      look.centres[plane] = [u - dx / box.width / look.zoom, v - dy / box.height / look.zoom];
      zoomTo(look, look.zoom, plane);
      Object.assign(before, { x: event.clientX, y: event.clientY, moved: before.moved || Math.hypot(dx, dy) > 2 });
      act.moved();
    } else if (view.volume && event.buttons === 1) {
      before.moved = true;
      act.place(plane, shareOf(event));
    }
  });

  const end = (event) => {
    if (view.volume && before && !before.moved && event.type === "pointerup" && event.button === 0) act.place(plane, shareOf(event));
    pointers.delete(event.pointerId);
    if (!pointers.size) before = null;
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => act.hover(null));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => {
    resetZoom(look);
    act.moved();
  });
};
