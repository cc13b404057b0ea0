// Counts down until the limit lifts, then says so. The time is that of the
// page's load plus what the server said was left, so the clocks of browser and
// server need not agree.
"use strict";
(() => {
  const limited = document.getElementById("limited");
  const lifted = document.getElementById("lifted");
  if (!limited || !lifted) return;
  const seconds = limited.querySelector(".seconds");
  const end = performance.now() + Number(limited.dataset.wait);
  const tick = () => {
    const left = end - performance.now();
    if (left > 0) {
      seconds.textContent = String(Math.ceil(left / 1000));
      setTimeout(tick, left % 1000 || 1000);
      return;
    }
    limited.hidden = true;
    lifted.hidden = false;
  };
  tick();
})();
