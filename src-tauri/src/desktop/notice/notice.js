// The shell leaves the reason as text; it is never read as markup.
const reason = globalThis.__MOLECULE_REASON__;
if (typeof reason === "string" && reason !== "") {
  document.getElementById("reason").textContent = reason;
}
