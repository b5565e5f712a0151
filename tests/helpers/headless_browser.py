"""A real headless Chromium, driven by Debian's chromedriver: for tests, and for the pictures of the README."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ABSENT = "Chromium and its driver are not installed (Debian: apt install chromium chromium-driver)"


def available() -> bool:
    """Whether there is a browser to drive."""
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


@contextmanager
def browser(width: int = 1280, height: int = 900, dark: bool = False) -> Iterator[Any]:
    """A browser within the block; it keeps what pages write to its console."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={width},{height}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    if dark:
        media = [{"name": "prefers-color-scheme", "value": "dark"}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    driver.set_page_load_timeout(120)
    try:
        yield driver
    finally:
        driver.quit()


def wait_for(driver: Any, text: str, seconds: float = 240) -> str:
    """The text of the page, once it holds ``text``."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def said(_: Any) -> str:
        return str(driver.find_element(By.TAG_NAME, "body").text)

    WebDriverWait(driver, seconds, ignored_exceptions=[Exception]).until(lambda d: text in said(d))
    return said(driver)


MLFLOWS_OWN = "mlflow/users/current - Failed to load resource: the server responded with a status of 404"
"""MLflow's pages ask who the user is, which its server without accounts does not know."""


def errors(driver: Any) -> list[str]:
    """What the pages so far have written to the console as errors, but for MLflow's own."""
    said = [entry["message"] for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    return [one for one in said if MLFLOWS_OWN not in one]
