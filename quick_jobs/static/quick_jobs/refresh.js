"use strict";

// Reads the page of a running execution again while somebody looks at it, until it has ended.
(function() {
    const MARK = "[data-qj-refresh]";
    const TEXT = "#content pre";
    let timer = null;
    let last = Date.now();

    function pause() {
        const marked = document.querySelector(MARK);
        return marked ? 1000 * Number(marked.dataset.qjRefresh) : 0;
    }

    // Changes what differs and leaves the rest in place, with what is selected and scrolled there.
    function change(node, fresh) {
        if (node.isEqualNode(fresh)) {
            return;
        }
        if (node.nodeType !== Node.ELEMENT_NODE || node.nodeName !== fresh.nodeName ||
                node.childNodes.length !== fresh.childNodes.length) {
            node.replaceWith(fresh);
            return;
        }
        Array.from(node.attributes).forEach(function(attribute) {
            if (!fresh.hasAttribute(attribute.name)) {
                node.removeAttribute(attribute.name);
            }
        });
        Array.from(fresh.attributes).forEach(function(attribute) {
            if (node.getAttribute(attribute.name) !== attribute.value) {
                node.setAttribute(attribute.name, attribute.value);
            }
        });
        const children = Array.from(fresh.childNodes);
        Array.from(node.childNodes).forEach(function(child, number) {
            change(child, children[number]);
        });
    }

    function isAtEnd(text) {
        return text.scrollTop > 0 && text.scrollTop + text.clientHeight >= text.scrollHeight - 4;
    }

    function show(fresh) {
        const places = new Map();
        document.querySelectorAll(TEXT).forEach(function(text) {
            places.set(text.dataset.name, [isAtEnd(text), text.scrollTop, text.scrollLeft]);
        });
        const [left, top] = [window.scrollX, window.scrollY];
        change(document.getElementById("content"), document.adoptNode(fresh));
        document.querySelectorAll(TEXT).forEach(function(text) {
            if (places.has(text.dataset.name)) {
                const [wasAtEnd, above, before] = places.get(text.dataset.name);
                text.scrollTop = wasAtEnd ? text.scrollHeight : above;
                text.scrollLeft = before;
            }
        });
        window.scrollTo(left, top);
    }

    async function refresh() {
        last = Date.now();
        try {
            const response = await fetch(window.location.href, {cache: "no-store", credentials: "same-origin"});
            if (response.redirected || response.status === 403 || response.status === 404) {
                // Logged out, or it has been deleted.
                document.removeEventListener("visibilitychange", wait);
                return;
            }
            const html = response.ok ? await response.text() : "";
            const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("content");
            if (fresh) {
                show(fresh);
            }
        } catch (error) {
            // The server does not answer: it is asked again later.
        }
        wait();
    }

    function wait() {
        clearTimeout(timer);
        timer = null;
        if (pause() && !document.hidden) {
            timer = setTimeout(refresh, Math.max(0, last + pause() - Date.now()));
        }
    }

    document.addEventListener("visibilitychange", wait);
    document.addEventListener("DOMContentLoaded", wait);
})();
