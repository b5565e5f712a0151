"""Figures of the paper from a run's final network: t-SNE (Fig. 4), Grad-CAM (Figs. 3, A-1), label maps (Fig. 5)."""
