"use strict";

(function() {
    const ARROWS = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"];
    let byKeyboard = false;

    function isFilter(element) {
        return element.matches && element.matches(".qj-filter select");
    }

    function follow(select) {
        if (!select.options[select.selectedIndex].defaultSelected) {
            window.location.assign(window.location.pathname + select.value);
        }
    }

    // A key changes a closed dropdown step by step: only Enter, or leaving it, is a decision.
    document.addEventListener("keydown", function(event) {
        if (!isFilter(event.target)) {
            return;
        }
        if (event.key === "Enter") {
            follow(event.target);
        } else if (ARROWS.includes(event.key) || event.key.length === 1) {
            byKeyboard = true;
        }
    });
    document.addEventListener("pointerdown", function() {
        byKeyboard = false;
    });
    document.addEventListener("change", function(event) {
        if (isFilter(event.target) && !byKeyboard) {
            follow(event.target);
        }
    });
    document.addEventListener("focusout", function(event) {
        if (isFilter(event.target) && byKeyboard) {
            byKeyboard = false;
            follow(event.target);
        }
    });
    // The browser's way back keeps what was chosen last, which the list does not show.
    window.addEventListener("pageshow", function() {
        document.querySelectorAll(".qj-filter select").forEach(function(select) {
            Array.from(select.options).forEach(function(option) {
                option.selected = option.defaultSelected;
            });
        });
    });

    function select(element) {
        const range = document.createRange();
        range.selectNodeContents(element);
        const selection = window.getSelection();
        selection.removeAllRanges();
        selection.addRange(range);
    }

    document.addEventListener("click", function(event) {
        const button = event.target;
        if (!button.matches || !button.matches(".qj-copy-button")) {
            return;
        }
        const text = button.parentNode.querySelector("pre");
        function done() {
            button.textContent = button.dataset.copied;
        }
        if (navigator.clipboard) {
            navigator.clipboard.writeText(text.textContent).then(done, function() {
                select(text);
            });
        } else {  // without https
            select(text);
            if (document.execCommand("copy")) {
                done();
            }
        }
    });
})();
