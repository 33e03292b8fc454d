// Runs even where modules do not: pages that are opened as files may load none.
if (location.protocol === "file:") {
  document.getElementById("status").textContent =
    "A browser runs this page from a web server only. In this folder run: python -m http.server, " +
    "and open http://localhost:8000";
}
