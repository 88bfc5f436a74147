// Nothing on these pages needs this script; it makes some of them lively.

// Times in the reader's own zone, and countdowns.
function enliven(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = time.dateTime;
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
  }
  for (const countdown of root.querySelectorAll("[data-left]")) {
    // What is left, not when it ends: the reader's clock may be wrong.
    const end = performance.now() + countdown.dataset.left * 1000;
    const [face, words, bar] = ["strong", "span", "progress"].map((name) => countdown.querySelector(name));
    const tick = () => {
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      face.textContent = clockFace(left);
      bar.value = left;
      if (left === 0) words.textContent = "expired: the next request renews it";
      else if (countdown.isConnected) setTimeout(tick, 1000);
    };
    tick();
  }
}

function clockFace(left) {
  const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

// The little of htmx (https://htmx.org) that the dashboard uses, so that nothing is loaded from elsewhere.
addEventListener("click", async (event) => {
  const link = event.target.closest("[hx-get]");
  if (!link) return;
  event.preventDefault();
  const response = await fetch(link.getAttribute("hx-get"), {
    headers: { "HX-Request": "true", "HX-Current-URL": location.href },
  }).catch(() => null);
  const redirect = response?.headers.get("HX-Redirect");
  if (redirect) return location.assign(redirect);
  if (!response?.ok) return alert("That did not work. Try again in a moment.");
  const selector = link.getAttribute("hx-target");
  document.querySelector(selector).outerHTML = await response.text();
  const fresh = document.querySelector(selector);
  enliven(fresh);
  fresh.querySelector("[hx-get]")?.focus();
});

// Server-sent events: the browser connects again by itself after the end.
for (const live of document.querySelectorAll("[data-events]")) {
  const [button, output] = [live.querySelector("button"), live.querySelector("output")];
  let source = null;
  const stop = (words) => {
    source.close();
    source = null;
    button.textContent = "Connect";
    output.value = words;
  };
  const start = () => {
    let connections = 0;
    source = new EventSource(live.dataset.events);
    button.textContent = "Disconnect";
    output.value = "Connecting…";
    source.onopen = () => (connections += 1);
    source.addEventListener("tick", (tick) => {
      output.value = `Connection ${connections}, open for ${tick.data} s.`;
    });
    source.addEventListener("end", (end) => (output.value = `Ended: ${end.data}. Connecting again…`));
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) stop("The server refused. Try again, or sign in again.");
    };
  };
  button.onclick = () => (source ? stop("Disconnected.") : start());
  live.hidden = false;
}

// WebSocket: connects when there is something to say.
for (const form of document.querySelectorAll("[data-socket]")) {
  const output = form.querySelector("output");
  let socket = null;
  const connect = () =>
    new Promise((resolve, reject) => {
      const opening = new WebSocket(new URL(form.dataset.socket, location.origin.replace(/^http/, "ws")));
      opening.onopen = () => resolve(opening);
      opening.onmessage = (message) => {
        const took = Math.round(performance.now() - form.sentAt);
        output.value = `“${message.data}” came back after ${took} ms.`;
      };
      opening.onclose = (close) => {
        socket = null;
        output.value = close.reason ? `Closed: ${close.reason}. Send again to come back.` : "Closed.";
        reject();
      };
    });
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      socket ??= await connect();
      form.sentAt = performance.now();
      socket.send(form.elements.message.value);
    } catch {
      output.value = "The server refused. Try again, or sign in again.";
    }
  };
  form.hidden = false;
}

enliven(document);
